"""Put a function's clock where its recorded events are: Python imports this when its folder is on PYTHONPATH.

Only `time.time_ns` is moved, which is what the product reads; requests to AWS are signed by another clock.
"""

import os
import time

_OFFSET_NS = int(os.environ["TEST_CLOCK_OFFSET_NS"])
_real = time.time_ns
time.time_ns = lambda: _real() + _OFFSET_NS
