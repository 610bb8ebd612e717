"""A handle on a running simulator for tests and benchmarks: set faults, read what was asked. Synchronous."""

from types import TracebackType
from typing import Self
from urllib.request import Request, urlopen

from pydantic import BaseModel

from simulator.schema import BatchList, BatchRecord, Fault, FaultList, RequestList, RequestRecord, Settings, Stats

TIMEOUT_SECONDS = 10.0


class SimulatorControl:
    """Talks to `/_simulator` at `base_url`. Raises `urllib.error.HTTPError` when the simulator refuses.

    As a context manager it clears the faults on leaving.
    """

    def __init__(self, base_url: str) -> None:
        if not base_url.startswith(("http://", "https://")):
            problem = f"not a web address: {base_url!r}"
            raise ValueError(problem)
        self._base_url = base_url.rstrip("/")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.clear_faults()

    def add_faults(self, *faults: Fault) -> list[Fault]:
        """Append faults; return all that are in force."""
        answer = self._call("POST", "faults", FaultList(faults=list(faults)))
        return FaultList.model_validate_json(answer).faults

    def faults(self) -> list[Fault]:
        """Return the faults in force, `times` being what is left of each."""
        return FaultList.model_validate_json(self._call("GET", "faults")).faults

    def clear_faults(self) -> None:
        """Forget all faults."""
        self._call("DELETE", "faults")

    def requests(self, since: int = 0) -> list[RequestRecord]:
        """Return the recorded requests numbered above `since`, oldest first."""
        return RequestList.model_validate_json(self._call("GET", f"requests?since={since}")).requests

    def clear_requests(self) -> None:
        """Forget the records and the high-water mark of open requests."""
        self._call("DELETE", "requests")

    def stats(self) -> Stats:
        """Return how many requests came, are open, and were open at most."""
        return Stats.model_validate_json(self._call("GET", "stats"))

    def pace(self, *, latency_ms: float = 0, tokens_per_second: float = 0, batch_seconds: float = 0) -> Settings:
        """Set latency, rate, and how long batches take; what is left out is none."""
        settings = Settings(latency_ms=latency_ms, tokens_per_second=tokens_per_second, batch_seconds=batch_seconds)
        return Settings.model_validate_json(self._call("PUT", "settings", settings))

    def batches(self) -> list[BatchRecord]:
        """Return the batches handed in, oldest first."""
        return BatchList.model_validate_json(self._call("GET", "batches")).batches

    def finish_batch(self, batch_id: str) -> None:
        """End a batch now, all answered."""
        self._call("POST", f"batches/{batch_id}/finish")

    def expire_batch(self, batch_id: str) -> None:
        """Let a batch's day be over now."""
        self._call("POST", f"batches/{batch_id}/expire")

    def _call(self, method: str, path: str, body: BaseModel | None = None) -> bytes:
        data = None if body is None else body.model_dump_json(by_alias=True).encode()
        url = f"{self._base_url}/_simulator/{path}"
        request = Request(url, data, {"content-type": "application/json"}, method=method)  # noqa: S310 - http(s) only, see __init__
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
            answer: bytes = response.read()
            return answer
