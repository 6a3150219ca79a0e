# SPDX-License-Identifier: Apache-2.0
"""import belt.joblib; then Parallel(backend="belt"), or parallel_backend("belt", broker=…)."""

import pickle

from joblib import register_parallel_backend
from joblib._parallel_backends import AutoBatchingMixin, FallbackToBackend, ParallelBackendBase, SequentialBackend

try:
    from joblib._parallel_backends import SafeFunction  # KeyboardInterrupt becomes an exception that a process survives
except ImportError:

    def SafeFunction(function):
        return function


from . import functions
from .errors import from_timeout
from .futures import ProcessPoolExecutor
from .pool import processors


def _run(batch):
    return pickle.loads(batch)()


class BeltBackend(AutoBatchingMixin, ParallelBackendBase):
    """joblib's batches are the tasks."""

    supports_timeout = True
    supports_retrieve_callback = True
    supports_return_generator = True

    def __init__(
        self,
        nesting_level=None,
        inner_max_num_threads=None,
        broker=None,
        queue=None,
        insecure=False,
        access=None,
        **more,
    ):
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads, **more)
        self._where = {"broker": broker, "queue": queue, "insecure": insecure, "access": access}
        self._workers = None

    def effective_n_jobs(self, n_jobs):
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        return n_jobs if n_jobs > 0 else max(1, processors() + 1 + n_jobs)

    def configure(self, n_jobs=1, parallel=None, prefer=None, require=None, **more):
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1 and self._where["broker"] is None:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self._workers = ProcessPoolExecutor(n_jobs, **self._where)
        self.parallel = parallel
        return n_jobs

    def apply_async(self, func, callback=None):
        batch = functions.encode(SafeFunction(func), self._workers._core.seen)
        future = self._workers.submit(_run, batch)
        future.get = from_timeout(future.result)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    submit = apply_async  # the name of joblib 1.5

    def retrieve_result_callback(self, out):
        return out.result()

    def terminate(self):
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)
            self._workers = None
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready=True):
        if self._workers is not None:
            self._workers._core.close(callbacks_s=0)  # they wait for a lock of joblib that is held here
            self._workers = None
        if ensure_ready:
            self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)


register_parallel_backend("belt", BeltBackend)
