# SPDX-License-Identifier: Apache-2.0
"""The plots of docs/performance.md, drawn by gnuplot from what a run has measured."""
import shutil, statistics, subprocess, sys

from machine import Cluster, run

HEAD = """set terminal svg size 720,400 font 'sans,13' background 'white' noenhanced
set output '{out}'
set grid lc rgb '#d8d8d8' lt 1; set border 3; set tics nomirror; set rmargin 4
set style line 1 lc rgb '#1b6ca8' lw 2.5 pt 7 ps 0.6; set style line 2 lc rgb '#c0504d' lw 1.5 pt 5 ps 0.6
set style line 3 lc rgb '#6b8e23' lw 1.5 pt 9 ps 0.7; set style line 4 lc rgb '#8064a2' lw 1.5 pt 13 ps 0.7
"""
# A task of some length, in Python's own pool.
POOL = """
import multiprocessing, time
def work(us):
    if us >= 1000:
        return time.sleep(us / 1e6)
    end = time.perf_counter() + us / 1e6
    while time.perf_counter() < end: pass
with multiprocessing.Pool(2) as pool:
    for _ in pool.imap_unordered(work, [1] * 1000): pass
    start = time.monotonic()
    for _ in pool.imap_unordered(work, [{us}] * {count}): pass
    print(time.monotonic() - start)
"""


REPEAT = 3  # of a point that is measured for a plot alone: the best, so that other load on the machine shows least


class Plot:
    def __init__(self, suite, docs, name):
        self.data, self.out = f"{suite.build}/{name}.dat", f"{docs}/{name}.svg"

    def rows(self, rows):
        with open(self.data, "w") as file:
            file.writelines(" ".join(map(str, row)) + "\n" for row in rows)
        return self

    def draw(self, script):
        text = HEAD.format(out=self.out) + script.replace("DATA", f"'{self.data}'")
        subprocess.run(["gnuplot"], input=text, text=True, check=True)
        print(f"drew {self.out}", file=sys.stderr)


def size(suite, docs):
    """Throughput against payload size, Belt beside both forwarders."""
    rows = []
    with Cluster(suite.belt) as cluster:
        for size in (16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576):
            count = suite.tasks(min(300000, max(200, (200 << 20) // size)))
            runs = [(cluster.bench("-s", size, "--tasks", count)["tasks_per_second"],
                     *(suite.forwarder(kind, size, count)["tasks_per_second"] for kind in ("raw", "packed")))
                    for _ in range(REPEAT)]
            rows.append((size, *map(max, zip(*runs))))
    Plot(suite, docs, "throughput-size").rows(rows).draw("""set logscale x 4; set logscale y
set xtics ('16 B' 16, '64 B' 64, '256 B' 256, '1 KiB' 1024, '4 KiB' 4096, '16 KiB' 16384, '64 KiB' 65536, '256 KiB' 262144, '1 MiB' 1048576)
set ytics ('100' 100, '1 k' 1000, '10 k' 10000, '100 k' 100000, '1 M' 1000000, '10 M' 10000000)
set xlabel 'input and result, each'; set ylabel 'tasks a second'; set key bottom left
plot DATA u 1:4 w lp ls 3 t 'packed ZeroMQ forwarder', '' u 1:2 w lp ls 1 t 'Belt', '' u 1:3 w lp ls 2 t 'raw ZeroMQ forwarder'
""")


def duration(suite, docs):
    """How much of two slots' time is work, against the time of a task."""
    rows, seconds = [], 0.5 * suite.factor + 0.1
    with Cluster(suite.belt) as cluster:
        for us in (5, 10, 20, 50, 100, 200, 500, 1000, 3000, 10000, 30000, 100000):
            count = int(2 * seconds * 1e6 / us)
            runs = [(cluster.bench("--mix", f"{count}x{us}us")["seconds"],
                     float(run([sys.executable, "-c", POOL.format(us=us, count=count)]))) for _ in range(REPEAT)]
            rows.append((us, *(100 * count * us / 2e6 / min(times) for times in zip(*runs))))
    Plot(suite, docs, "efficiency-duration").rows(rows).draw("""set logscale x; set yrange [0:105]
set xtics ('5 us' 5, '20 us' 20, '100 us' 100, '500 us' 500, '1 ms' 1000, '10 ms' 10000, '100 ms' 100000)
set xlabel 'time of a task (below 1 ms it computes, above it sleeps)'; set ylabel 'time of the slots that is work, %'
set key bottom right
plot DATA u 1:2 w lp ls 1 t 'Belt, two slots', '' u 1:3 w lp ls 2 t 'Pool.imap_unordered, two processes, chunksize 1'
""")


def makespan(suite, docs):
    rows = []
    for name, values in suite.samples.items():
        if name.startswith("mix "):
            label = name[4:].split(":")[0].replace(", ", "\\n")
            rows.append((len(rows), f'"{label}"', min(values), statistics.median(values), max(values)))
    Plot(suite, docs, "makespan").rows(rows).draw("""set style fill solid 0.55 border; set boxwidth 0.5; set bmargin 4; set yrange [0.95:*]; set xrange [-0.6:*]
set ylabel 'makespan over the greedy list schedule'; set key top left
plot DATA u 1:4:xtic(2) w boxes ls 1 t 'Belt: median', '' u 1:4:3:5 w yerrorbars lc rgb '#333333' pt 0 t 'least and most',\\
 1.03 w l ls 2 t 'bound: 1.03'
""")


def latency(suite, docs):
    names = (("p50", 0.5), ("p90", 0.1), ("p99", 0.01), ("p999", 0.001))
    rows = [(rest, *(statistics.median(suite.facts[f"{who}round trip {name}, us"]) for who in ("", "raw forwarder ")))
            for name, rest in names]
    Plot(suite, docs, "latency").rows(rows).draw("""set logscale x; set xrange [0.7:0.0007]
set xtics ('50 %%' 0.5, '90 %%' 0.1, '99 %%' 0.01, '99.9 %%' 0.001); set logscale y; set yrange [100:*]
set ytics (100, 200, 500, 1000, 2000, 5000, 10000, 20000)
set xlabel 'share of round trips that are faster'; set ylabel 'round trip, one at a time, us'; set key top left
plot DATA u 1:2 w lp ls 1 t 'Belt, slot in its own process', '' u 1:3 w lp ls 2 t 'raw ZeroMQ forwarder'
""")


def memory(suite, docs):
    Plot(suite, docs, "memory").draw("""set yrange [0:*]
set xlabel 'seconds of one stream of 100 million tasks'; set ylabel 'resident memory, MiB'; set key outside top center horizontal
plot DATA u 1:2 w l ls 1 t 'broker', '' u 1:5 w l ls 2 t 'client', '' u 1:3 w l ls 3 t 'agent (the larger)', '' u 1:4 w l ls 4 t 'slot (the larger)'
""".replace("DATA", f"'{suite.build}/stream.dat'"))


def draw(suite, parts, docs):
    """Each from the rows that ran; two measure for themselves."""
    if not shutil.which("gnuplot"):
        return
    for part, plot in (("echo", size), ("mixes", duration), ("mixes", makespan), ("round_trip", latency), ("stream", memory)):
        if part in parts:
            plot(suite, docs)
