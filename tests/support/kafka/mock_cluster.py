"""A Kafka cluster on loopback that breaks when told to: librdkafka's mock cluster, driven through its C functions.

The wheel of confluent-kafka carries `confluent_kafka.libs/librdkafka-*.so`, which exports the whole mock API of
librdkafka's `rdkafka_mock.h` (experimental there: a new version may change it). The property `test.mock.num.brokers`,
which the product uses, gives a healthy cluster only; here a broker goes down and comes back on the same port, answers
late or with errors, and forgets records.

What it is not: it has no TLS, no SASL, no CreateTopics, no limit on a record's size and no memory of producers'
sequence numbers, so a record that is sent again by an idempotent producer is there twice.

    with MockCluster() as cluster:
        cluster.create_topic("a", partitions=2)
        cluster.answer_with(PRODUCE, [MSG_SIZE_TOO_LARGE])
        ... aiokafka on cluster.bootstrap ...

The request kinds and error codes are those of the Kafka protocol.
"""

from __future__ import annotations

import ctypes
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import confluent_kafka
from confluent_kafka.admin import AdminClient

PRODUCE, FETCH, LIST_OFFSETS, METADATA, INIT_PRODUCER_ID = 0, 1, 2, 3, 22

TRANSPORT = -195  # librdkafka's own: close the connection instead of answering
UNKNOWN_TOPIC_OR_PARTITION = 3
REQUEST_TIMED_OUT = 7
MSG_SIZE_TOO_LARGE = 10
RECORD_LIST_TOO_LARGE = 18
NOT_ENOUGH_REPLICAS = 19
TOPIC_AUTHORIZATION_FAILED = 29
CLUSTER_AUTHORIZATION_FAILED = 31

_PRODUCER = 0
_ALL_BROKERS = -1
_ONLY_BROKER = 1
_SECONDS = 10.0

_P, _I32, _I16, _SIZE, _STR = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int16, ctypes.c_size_t, ctypes.c_char_p
_INT = ctypes.c_int
_SIGNATURES: tuple[tuple[str, type | None, tuple[type, ...]], ...] = (
    ("rd_kafka_conf_new", _P, ()),
    ("rd_kafka_conf_set", _INT, (_P, _STR, _STR, _STR, _SIZE)),
    ("rd_kafka_new", _P, (_INT, _P, _STR, _SIZE)),
    ("rd_kafka_destroy", None, (_P,)),
    ("rd_kafka_mock_cluster_new", _P, (_P, _INT)),
    ("rd_kafka_mock_cluster_destroy", None, (_P,)),
    ("rd_kafka_mock_cluster_bootstraps", _STR, (_P,)),
    ("rd_kafka_mock_topic_create", _INT, (_P, _STR, _INT, _INT)),
    ("rd_kafka_mock_topic_set_error", None, (_P, _STR, _INT)),
    ("rd_kafka_mock_broker_set_down", _INT, (_P, _I32)),
    ("rd_kafka_mock_broker_set_up", _INT, (_P, _I32)),
    ("rd_kafka_mock_broker_set_rtt", _INT, (_P, _I32, _INT)),
    ("rd_kafka_mock_push_request_errors_array", None, (_P, _I16, _SIZE, ctypes.POINTER(_INT))),
    # Pairs of error and delay follow.
    ("rd_kafka_mock_broker_push_request_error_rtts", _INT, (_P, _I32, _I16, _SIZE)),
    ("rd_kafka_mock_partition_delete_records", _INT, (_P, _STR, _I32, ctypes.c_int64)),
    ("rd_kafka_mock_start_request_tracking", None, (_P,)),
    ("rd_kafka_mock_get_requests", ctypes.POINTER(_P), (_P, ctypes.POINTER(_SIZE))),
    ("rd_kafka_mock_request_api_key", _I16, (_P,)),
    ("rd_kafka_mock_request_destroy_array", None, (ctypes.POINTER(_P), _SIZE)),
)


@cache
def _library() -> ctypes.CDLL:
    """The very library that confluent-kafka has loaded, with its functions' types."""
    site_packages = Path(confluent_kafka.__file__).parents[1]
    (path,) = (site_packages / "confluent_kafka.libs").glob("librdkafka-*.so*")
    library = ctypes.CDLL(str(path))
    for name, result, arguments in _SIGNATURES:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class MockCluster:
    """A cluster of one broker: empty when entered, gone when left.

    Attributes:
        bootstrap: `host:port`.
    """

    def __init__(self) -> None:
        self._library = _library()
        told = ctypes.create_string_buffer(200)
        settings = self._library.rd_kafka_conf_new()
        # Without this librdkafka announces the cluster on stderr.
        self._library.rd_kafka_conf_set(settings, b"log_level", b"0", told, len(told))
        self._owner = self._library.rd_kafka_new(_PRODUCER, settings, told, len(told))
        assert self._owner, told.value
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._owner, 1)
        assert self._cluster
        self.bootstrap = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._owner)

    def create_topic(self, topic: str, *, partitions: int = 1) -> None:
        # The cluster's thread can oversee an order that comes while it goes to sleep, and then sleeps for a second;
        # a connection wakes it.
        ordering = threading.Thread(
            target=self._checked, args=("rd_kafka_mock_topic_create", topic.encode(), partitions, 1)
        )
        ordering.start()
        host, port = self.bootstrap.split(":")
        while ordering.is_alive():
            socket.create_connection((host, int(port))).close()
            ordering.join(0.01)

    def topics(self) -> set[str]:
        """What there is. Asking for all topics creates none."""
        asking = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        return set(asking.list_topics(timeout=_SECONDS).topics)

    def deny_topic(self, topic: str, error: int) -> None:
        """Metadata answers carry this error for the topic from now on."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), error)

    def down(self) -> None:
        """Cut all connections and take no new ones."""
        self._checked("rd_kafka_mock_broker_set_down", _ALL_BROKERS)

    def up(self) -> None:
        """Come back on the same port with the same records."""
        self._checked("rd_kafka_mock_broker_set_up", _ALL_BROKERS)

    def answer_late(self, milliseconds: int) -> None:
        """Do what is asked at once, but answer only so much later. A request that waits keeps its delay."""
        self._checked("rd_kafka_mock_broker_set_rtt", _ONLY_BROKER, milliseconds)

    def answer_once_late(self, request: int, *, milliseconds: int) -> None:
        """The next request of that kind is carried out at once, its answer comes so much later."""
        error = self._library.rd_kafka_mock_broker_push_request_error_rtts(
            self._cluster, _ONLY_BROKER, request, 1, _INT(0), _INT(milliseconds)
        )
        assert error == 0

    def answer_with(self, request: int, errors: Sequence[int]) -> None:
        """The next requests of that kind are not carried out but answered with these errors, one each."""
        array = (_INT * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(errors), array)

    def delete_records(self, topic: str, *, partition: int, before: int) -> None:
        """What retention does: records below this offset are gone."""
        self._checked("rd_kafka_mock_partition_delete_records", topic.encode(), partition, before)

    def track_requests(self) -> None:
        """Count requests from now on, see `requests`."""
        self._library.rd_kafka_mock_start_request_tracking(self._cluster)

    def requests(self) -> Counter[int]:
        """How many requests of each kind came."""
        count = _SIZE()
        found = self._library.rd_kafka_mock_get_requests(self._cluster, ctypes.byref(count))
        kinds = Counter(self._library.rd_kafka_mock_request_api_key(found[i]) for i in range(count.value))
        self._library.rd_kafka_mock_request_destroy_array(found, count)
        return kinds

    def _checked(self, function: str, *arguments: object) -> None:
        error = getattr(self._library, function)(self._cluster, *arguments)
        assert error == 0, f"{function}: error {error}"
