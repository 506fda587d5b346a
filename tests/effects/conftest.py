"""What the tests of this floor share."""

from tests.support.effects import memory_folder as memory_folder  # noqa: PLC0414 - pytest finds fixtures by their name
from tests.support.effects import nothing_left as nothing_left  # noqa: PLC0414 - likewise
from tests.support.effects import small_disk as small_disk  # noqa: PLC0414 - likewise
