"""One thread a process, kernels included: the tests' tensors are so small that threads cost more than they save."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
