"""Figures over HTTP, in Prometheus' text format and under the other rooms' names: GET /metrics and GET /healthz."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from policy_torch.generate import Finished
from policy_torch.plan import TrainReport

ROOM = "policy"
BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800]


class Figures:
    """What this room counts: calls, tokens, steps."""

    def __init__(self, version: int = 0) -> None:
        registry = self.registry = CollectorRegistry(target_info={})
        ProcessCollector(registry=registry)

        def counter(name: str, help_text: str, *labels: str) -> Counter:
            return Counter(name, help_text, [*labels, "room"], registry=registry)

        self._handled = counter(
            "grpc_server_handled_total", "Calls ended, by method and status code.", "method", "code"
        )
        seconds = "Time from the first byte of a call to its status, by method."
        labels = ["method", "room"]
        self._seconds = Histogram("grpc_server_handling_seconds", seconds, labels, buckets=BUCKETS, registry=registry)
        in_flight = "Calls begun and not ended, by method."
        self._in_flight = Gauge("grpc_server_in_flight", in_flight, labels, registry=registry)
        self._version = Gauge("policy_version", "Optimizer steps the weights have taken.", ["room"], registry=registry)
        self._tokens = counter("policy_generated_tokens_total", "Completion tokens sampled.")
        by_reason = "Completions sampled, by why they ended."
        self._completions = counter("policy_completions_total", by_reason, "finish_reason")
        self._steps = counter("policy_optimizer_steps_total", "Optimizer steps taken.")
        self._skipped = counter("policy_skipped_steps_total", "Optimizer steps whose gradient was not finite.")
        stale = "1 while this policy follows a trainer that does not answer."
        self._stale = Gauge("policy_weights_stale", stale, ["room"], registry=registry)
        self.version_is(version)
        self.stale_is(False)
        for each in (self._tokens, self._steps, self._skipped):
            each.labels(room=ROOM)  # shown before the first

    def begin(self, method: str) -> Callable[[str], None]:
        """Counts a call as begun; the answer counts it as ended, with the name of its status code."""
        begun = time.perf_counter()
        self._in_flight.labels(method, ROOM).inc()

        def end(code: str) -> None:
            self._in_flight.labels(method, ROOM).dec()
            self._seconds.labels(method, ROOM).observe(time.perf_counter() - begun)
            self._handled.labels(method, code, ROOM).inc()

        return end

    def sampled(self, finished: Finished) -> None:
        self._tokens.labels(ROOM).inc(len(finished.token_ids))
        self._completions.labels(finished.finish_reason, ROOM).inc()

    def trained(self, report: TrainReport) -> None:
        self.version_is(report.version)
        self._steps.labels(ROOM).inc(len(report.steps))
        self._skipped.labels(ROOM).inc(sum(step.skipped for step in report.steps))

    def version_is(self, version: int) -> None:
        self._version.labels(ROOM).set(version)

    def stale_is(self, stale: bool) -> None:
        self._stale.labels(ROOM).set(int(stale))


class MetricsServer:
    """Serves figures, and whether the room serves (200) or not (503), from threads of its own."""

    def __init__(self, address: str, figures: Figures, is_serving: Callable[[], bool]) -> None:
        """Raises OSError when the address cannot be listened on; port 0 picks a free one."""
        host, _, port = address.rpartition(":")

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.split("?", 1)[0]
                if path == "/healthz":
                    serving = is_serving()
                    self._say(200 if serving else 503, b"serving\n" if serving else b"not serving\n")
                elif path == "/metrics":
                    self._say(200, generate_latest(figures.registry), CONTENT_TYPE_PLAIN_0_0_4)
                else:
                    self._say(404, b"try /metrics or /healthz\n")

            def _say(self, status: int, body: bytes, kind: str = "text/plain") -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Scrapes are not worth a line."""

        class Listening(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            daemon_threads = True

        self._server = Listening((host.strip("[]"), int(port)), Answer)
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()
        self.address = f"{host}:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
