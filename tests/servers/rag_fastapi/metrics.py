"""Counters and latency histograms in Prometheus' text format."""

import bisect
import collections

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
           5.0, 10.0)


class Histogram:
    """Counts by upper bound, as Prometheus wants them."""

    def __init__(self):
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds):
        """Count one value."""
        self.counts[bisect.bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds

    def lines(self, name, labels):
        """Sample lines of the cumulative form."""
        total = 0
        for bound, count in zip((*BUCKETS, "+Inf"), self.counts):
            total += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {total}'
        yield f"{name}_sum{{{labels}}} {self.sum:.6f}"
        yield f"{name}_count{{{labels}}} {total}"


class Metrics:
    """What the service counts about itself."""

    def __init__(self):
        self.requests = collections.Counter()
        self.seconds = collections.defaultdict(Histogram)

    def observe(self, method, route, status, seconds):
        """Count one answered request."""
        self.requests[method, route, status] += 1
        self.seconds[method, route].observe(seconds)

    def text(self, gauges):
        """The exposition; @gauges are name to value."""
        lines = ["# TYPE http_requests_total counter"]
        for (method, route, status), count in sorted(self.requests.items()):
            lines.append(f'http_requests_total{{method="{method}",'
                         f'route="{route}",status="{status}"}} {count}')
        lines.append("# TYPE http_request_duration_seconds histogram")
        for (method, route), histogram in sorted(self.seconds.items()):
            lines.extend(histogram.lines(
                "http_request_duration_seconds",
                f'method="{method}",route="{route}"'))
        for name, value in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {value}"]
        return "\n".join(lines) + "\n"
