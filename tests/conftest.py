"""What every test can ask for; the fixtures themselves live in tests/fakes."""

from __future__ import annotations

from tests.fakes.container import container_registry as container_registry
from tests.fakes.container import docker as docker
from tests.fakes.harbor_fixtures import harbor as harbor
from tests.fakes.proxy_fixtures import ledger as ledger
from tests.fakes.proxy_fixtures import proxy as proxy
from tests.fakes.registries import cache_of_source as cache_of_source
from tests.fakes.registries import clean_environment as clean_environment
from tests.fakes.registries import fake as fake
from tests.fakes.registries import locked_registry as locked_registry
from tests.fakes.registries import read_only as read_only
from tests.fakes.registries import registry as registry
from tests.fakes.registries import replicas as replicas
from tests.fakes.registries import second_registry as second_registry
from tests.fakes.registries import small_disk as small_disk
from tests.fakes.registries import source as source
from tests.fakes.registries import tls_registry as tls_registry
from tests.fakes.registries import token_registry as token_registry
from tests.fakes.tkg import tkg_source as tkg_source
