# SPDX-License-Identifier: Apache-2.0
"""The rows: what is measured in one round, beside which rival, and the bounds that were set beforehand."""
import contextlib, json, os, shutil, socket, statistics, subprocess, sys, tempfile, time

from machine import Cluster, cpu_of, free_port, run, status_of, switches_of

# Servers that peer_client speaks to: their command line, and how many tasks a round takes.
SERVERS = {
    "nats": (["nats-server", "-a", "127.0.0.1", "-p", "{port}"], 400000),
    "redis": (["redis-server", "--port", "{port}", "--save", "", "--dir", "{dir}"], 60000),
    "gearman": (["gearmand", "-L", "127.0.0.1", "-p", "{port}", "-l", "{dir}/log"], 20000),
    "beanstalkd": (["beanstalkd", "-l", "127.0.0.1", "-p", "{port}", "-z", "2000000"], 15000),
}
POOL = """
import multiprocessing, time
def echo(data): return data
with multiprocessing.Pool(2) as pool:
    payload = b'x' * {size}
    for _ in pool.imap_unordered(echo, (payload for _ in range(1000)), chunksize={chunk}): pass
    start = time.monotonic()
    for _ in pool.imap_unordered(echo, (payload for _ in range({count})), chunksize={chunk}): pass
    print({count} / (time.monotonic() - start))
"""
# When each result of a mix was there, by index: run times in ms come as words.
POOL_MIX = """
import multiprocessing, sys, time
def work(ms): time.sleep(ms / 1000)
times = [float(word) for word in sys.argv[3:]]
with multiprocessing.Pool(int(sys.argv[1])) as pool:
    for _ in pool.imap(work, [0] * 200): pass
    start, there = time.monotonic(), []
    results = pool.imap if sys.argv[2] == "ordered" else pool.imap_unordered
    for _ in results(work, times): there.append(time.monotonic() - start)
    print(sum(there) / len(there), there[-1])
"""
# A heavy tail: run times in ms whose number falls with the square of the time.
HEAVY = ",".join(f"{max(1, 1600 // (t * t))}x{t}ms" for t in (1, 2, 4, 8, 16, 40))


def greedy(times, slots):
    """Mean arrival in order and makespan when each task goes to the slot that is free first."""
    free, latest, total = [0.0] * slots, 0.0, 0.0
    for time_of_task in times:
        slot = free.index(min(free))
        free[slot] += time_of_task
        latest = max(latest, free[slot])
        total += latest
    return total / len(times), latest


class Suite:
    def __init__(self, arguments):
        self.build, self.rounds = arguments.build, arguments.rounds
        self.belt = f"{self.build}/belt"
        self.factor = 0.2 if arguments.quick else 1
        self.samples, self.facts, self.rounds_of = {}, {}, {}

    def tasks(self, count):
        return max(20, int(count * self.factor))

    def note(self, row, value):
        self.samples.setdefault(row, []).append(value)

    def count(self, name):
        """1 in the first round, and one more in each."""
        self.rounds_of[name] = self.rounds_of.get(name, 0) + 1
        return self.rounds_of[name]

    def fact(self, name, value):
        self.facts.setdefault(name, []).append(value)

    def forwarder(self, *words):
        return json.loads(run([f"{self.build}/bench/zmq_forwarder", *words]))

    def timed(self, command, **more):
        start = time.monotonic()
        run(command, **more)
        return time.monotonic() - start

    # ---- the rows: each is one round ----

    def echo(self):
        for label, size, raw_tasks, tasks in (("16 B", 16, 400000, 600000), ("1 KiB", 1024, 150000, 200000)):
            with Cluster(self.belt) as cluster:
                before, all_before = cpu_of(cluster.broker.pid), cluster.cpu()
                mine = cluster.bench("-s", size, "--tasks", self.tasks(tasks), "--no-warm")
                broker = (cpu_of(cluster.broker.pid) - before) / mine["tasks"] * 1e6
                cpu = (cluster.cpu() - all_before + mine["client_cpu_seconds"]) / mine["tasks"] * 1e6
            raw = self.forwarder("raw", size, self.tasks(raw_tasks))
            packed = self.forwarder("packed", size, self.tasks(raw_tasks * 4))
            self.note(f"echo {label} / raw forwarder", mine["tasks_per_second"] / raw["tasks_per_second"])
            self.note(f"echo {label} / packed forwarder", mine["tasks_per_second"] / packed["tasks_per_second"])
            self.note(f"CPU a task of the raw forwarder / Belt, {label}", sum(raw["cpu_us"].values()) / cpu)
            self.fact(f"echo {label}, tasks/s", mine["tasks_per_second"])
            self.fact(f"CPU a task, all processes of Belt, {label}, us", cpu)
            self.fact(f"CPU a task, all processes of the raw forwarder, {label}, us", sum(raw["cpu_us"].values()))
            self.fact(f"raw forwarder {label}, tasks/s", raw["tasks_per_second"])
            self.fact(f"packed forwarder {label}, tasks/s", packed["tasks_per_second"])
            self.note(f"broker CPU a task, {label}, us", broker)
            self.note(f"broker CPU / raw forwarder's broker, {label}", broker / raw["cpu_us"]["broker"])

    @contextlib.contextmanager
    def server(self, name):
        """The port of a peer's server; None when it is not installed."""
        command, port = SERVERS[name][0], free_port()
        if not shutil.which(command[0], path=os.environ["PATH"] + ":/usr/sbin"):
            yield None
            return
        with tempfile.TemporaryDirectory(dir=self.build) as place:
            words = [word.format(port=port, dir=place) for word in command]
            words[0] = shutil.which(words[0], path=os.environ["PATH"] + ":/usr/sbin")
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                for _ in range(500):
                    with socket.socket() as probe:
                        if probe.connect_ex(("127.0.0.1", port)) == 0:
                            break
                    time.sleep(0.02)
                yield port
            finally:
                process.kill()
                process.wait()

    def peers(self):
        with Cluster(self.belt) as cluster:
            mine = cluster.bench("--tasks", self.tasks(600000), "--no-warm")["tasks_per_second"]
        for name, (_, count) in SERVERS.items():
            with self.server(name) as port:
                if port:
                    try:
                        theirs = json.loads(run([f"{self.build}/bench/peer_client", name, port, 16, self.tasks(count), 10000], 60))
                    except (RuntimeError, subprocess.TimeoutExpired) as error:
                        print(f"no figure of {name} in this round: {error}", file=sys.stderr)
                        continue
                    self.note(f"echo 16 B / {name}", mine / theirs["tasks_per_second"])
                    self.fact(f"{name} 16 B, tasks/s", theirs["tasks_per_second"])
        for chunk in (1, 100):
            theirs = float(run([sys.executable, "-c", POOL.format(size=16, chunk=chunk, count=self.tasks(int(50000 * chunk ** 0.5)))]))
            self.note(f"echo 16 B / Pool.imap_unordered, chunksize {chunk}", mine / theirs)

    def large(self):
        with Cluster(self.belt) as cluster:
            mine = cluster.bench("-s", "1M", "--tasks", self.tasks(600), "--no-warm")
            peak = max(status_of(pid, "VmHWM") for pid in [cluster.broker.pid, *cluster.pids()]) / 1024
        raw = self.forwarder("raw", 1 << 20, self.tasks(600))
        self.note("echo 1 MiB / raw forwarder", mine["tasks_per_second"] / raw["tasks_per_second"])
        self.note("echo 1 MiB, largest process, MiB", peak)
        self.fact("echo 1 MiB, MB/s", mine["tasks_per_second"] * 1.048576)

    def round_trip(self):
        with Cluster(self.belt) as cluster:
            mine = cluster.bench("--buffersize", 1, "--tasks", self.tasks(4000))["latency_us"]
        raw = self.forwarder("raw", 16, self.tasks(4000), 1)
        self.note("round trip p50 / raw forwarder", mine["p50"] / raw["p50_us"])
        self.note("round trip p99 / raw forwarder", mine["p99"] / raw["p99_us"])
        for name in ("p50", "p90", "p99", "p999"):
            self.fact(f"round trip {name}, us", mine[name])
            self.fact(f"raw forwarder round trip {name}, us", raw[f"{name}_us"])

    def chunks(self):
        with Cluster(self.belt) as cluster:
            rate = {chunk: cluster.bench("--chunksize", chunk, "--tasks", self.tasks(300000))["tasks_per_second"]
                    for chunk in ("1", "100", "auto")}
        self.note("chunksize 1 / chunksize 100", rate["1"] / rate["100"])
        self.note("chunksize auto / best of 1, 100", rate["auto"] / max(rate["1"], rate["100"]))

    def order(self):
        with Cluster(self.belt) as cluster:
            seconds = {True: 0.0, False: 0.0}
            for ordered in (False, True, True, False):  # the first job of a cluster is the slowest
                seconds[ordered] += cluster.bench("--tasks", self.tasks(200000), *(["--ordered"] if ordered else []))["seconds"]
        self.note("ordered / unordered", seconds[False] / seconds[True])

    def commands(self):
        count = self.tasks(1500)
        lines = "".join(f"{i}\n" for i in range(count))
        mine = self.timed([self.belt, "map", "-j2", "--quiet", "--", "true", "{}"], input=lines)
        xargs = self.timed(["xargs", "-P2", "-n1", "true"], input=lines)
        few = count // 5
        parallel = self.timed(["parallel", "-j2", "true"], input="".join(f"{i}\n" for i in range(few))) * count / few
        self.note("a command per task / xargs -P2 -n1", xargs / mine)
        self.note("a command per task / GNU parallel", parallel / mine)

    def first(self):
        start = time.monotonic()
        child = subprocess.Popen([self.belt, "map", "-j2", "--", "echo", "{}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdin.write(b"1\n")
        child.stdin.flush()
        child.stdout.readline()
        self.note("first result of a local map, ms", (time.monotonic() - start) * 1000)
        child.communicate()

    def mixes(self):
        names = {"5/300 ms, shuffled": ("180x5ms,20x300ms", False), "5/300 ms, long ones first": ("20x300ms,180x5ms", True),
                 "5/300 ms, long ones last": ("180x5ms,20x300ms", True), "20 us / 50 ms": ("20000x20us,80x50ms", False),
                 "heavy tail": (HEAVY, False)}
        with Cluster(self.belt, agents=2, slots=2) as cluster:
            for seed, (name, (mix, listed)) in enumerate(names.items()):
                mine = cluster.bench("--mix", mix, *(["--as-listed"] if listed else ["--seed", seed + 1]))
                self.note(f"mix {name}: makespan / greedy", mine["seconds"] / mine["bound_seconds"])

    def arrival(self):
        """The mean arrival in order of 180 x 5 ms and 20 x 300 ms after 200 short tasks, over the greedy schedule's."""
        short, long = [5.0], [300.0]
        mixes = {"shuffled": ("180x5ms,20x300ms", ["--seed", self.count("arrival")]),
                 "long ones in a row": ("90x5ms,20x300ms,90x5ms", ["--as-listed"])}
        for agents, slots in ((1, 4), (2, 2), (4, 1)):
            with Cluster(self.belt, agents=agents, slots=slots) as cluster:
                for name, (mix, words) in mixes.items():
                    for reader in ("ordered", "unordered"):
                        mine = cluster.bench("--mix", mix, "--lead", 200, *words, *(["--ordered"] if reader == "ordered" else []))
                        row = f"arrival in order, {name}, {agents} x {slots}, {reader}"
                        self.note(f"{row}: / greedy", mine["in_order_seconds"] / mine["bound_in_order_seconds"])
                        self.note(f"{row}: makespan / greedy", mine["seconds"] / mine["bound_seconds"])
        fifo = self.forwarder("fifo", mixes["long ones in a row"][0])
        self.note("arrival in order, long ones in a row, raw forwarder with credit 1, 4 workers: / greedy",
                  fifo["in_order_seconds"] / fifo["bound_in_order_seconds"])
        self.note("arrival in order, long ones in a row, raw forwarder with credit 1, 4 workers: makespan / greedy",
                  fifo["seconds"] / fifo["bound_seconds"])
        with self.server("gearman") as port:
            if port:
                theirs = json.loads(run([f"{self.build}/bench/peer_client", "gearman", port, mixes["long ones in a row"][0]], 60))
                self.note("arrival in order, long ones in a row, gearman, 4 workers: / greedy",
                          theirs["in_order_seconds"] / theirs["bound_in_order_seconds"])
                self.note("arrival in order, long ones in a row, gearman, 4 workers: makespan / greedy",
                          theirs["seconds"] / theirs["bound_seconds"])
        times = short * 90 + long * 20 + short * 90
        there, last = map(float, run([sys.executable, "-c", POOL_MIX, 4, "ordered", *times]).split())
        order, end = greedy(times, 4)
        self.note("arrival in order, long ones in a row, Pool.imap of 4: / greedy", there * 1000 / order)
        self.note("arrival in order, long ones in a row, Pool.imap of 4: makespan / greedy", last * 1000 / end)

    def fairness(self):
        """A small job, alone and beside one of a million tasks: half of the slots are its own, beyond that it waits."""
        with Cluster(self.belt, agents=2, slots=2) as cluster:
            small = lambda: statistics.median(cluster.bench("--mix", "100x1ms")["seconds"] for _ in range(5))
            small()
            alone = small()
            big = subprocess.Popen([self.belt, "bench", "--broker", cluster.clients, "--mix", "100x1ms", "--tasks", "1000000"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(2)
            beside, still = small(), big.poll() is None
            big.kill()
            big.wait()
        if not still:
            raise RuntimeError("the large job ended before the small one")
        self.note("fairness: 100 x 1 ms beside a million / alone", beside / alone)
        self.note("fairness: what it waits beyond its half, service times", (beside - 2 * alone) * 1000)

    def waiting(self):
        count = 1000000
        with Cluster(self.belt, agents=0) as cluster:
            before = status_of(cluster.broker.pid, "VmRSS")
            run([f"{self.build}/bench/bench_enqueue", cluster.clients, 16, count, 100000, "volatile"])
            self.note("memory per waiting task beyond its payload, B",
                      (status_of(cluster.broker.pid, "VmRSS") - before) * 1024 / count - 16)

    def durable(self):
        with tempfile.TemporaryDirectory(dir=self.build) as state, Cluster(self.belt, state=state) as cluster:
            kept = cluster.bench("--tasks", self.tasks(200000))
            lost = cluster.bench("--tasks", self.tasks(200000), "--volatile")
            self.note("durable / volatile echo 16 B", kept["tasks_per_second"] / lost["tasks_per_second"])
            enqueue = json.loads(run([f"{self.build}/bench/bench_enqueue", cluster.clients, 1024, self.tasks(30000), 100]))
        if not shutil.which("redis-server"):
            return
        port = free_port()
        with tempfile.TemporaryDirectory(dir=self.build) as state:
            server = subprocess.Popen(["redis-server", "--port", str(port), "--dir", state, "--appendonly", "yes",
                                       "--appendfsync", "always", "--save", ""], stdout=subprocess.DEVNULL)
            try:
                for _ in range(200):
                    if subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True).stdout == b"PONG\n":
                        break
                    time.sleep(0.02)
                count = self.tasks(30000)
                text = run(["redis-benchmark", "-p", port, "-q", "--csv", "-c", 1, "-P", 100, "-d", 1024, "-n", count, "-t", "lpush"])
                redis = float(text.strip().splitlines()[-1].split(",")[1].strip('"'))
            finally:
                server.terminate()
                server.wait()
        self.note("durable enqueue 1 KiB / redis AOF always", enqueue["tasks_per_second"] / redis)
        self.fact("durable enqueue 1 KiB, tasks/s", enqueue["tasks_per_second"])

    def restart(self):
        with tempfile.TemporaryDirectory(dir=self.build) as state, Cluster(self.belt, agents=0, state=state) as cluster:
            run([f"{self.build}/bench/bench_enqueue", cluster.clients, 16, 1000000, 10000])
            cluster.broker.kill()
            cluster.broker.wait()
            start = time.monotonic()
            cluster.broker = cluster.start_broker()
            self.note("restart with a million waiting durable tasks, s", time.monotonic() - start)
            waiting = json.loads(run([self.belt, "status", "--json", "--broker", cluster.clients]))["queues"][0]["waiting"]
            if waiting != 1000000:
                raise RuntimeError(f"{waiting} tasks after the restart")

    def idle(self):
        seconds = 5
        with Cluster(self.belt) as cluster:
            cluster.bench("--tasks", 1000)
            time.sleep(1)
            pids = {"broker": [cluster.broker.pid], "agents and slots": cluster.pids()}
            before = {name: (sum(map(switches_of, ids)), sum(map(cpu_of, ids))) for name, ids in pids.items()}
            time.sleep(seconds)
            for name, ids in pids.items():
                self.note(f"idle {name}: wake-ups a second", (sum(map(switches_of, ids)) - before[name][0]) / seconds)
                self.note(f"idle {name}: CPU, per mille", (sum(map(cpu_of, ids)) - before[name][1]) / seconds * 1000)

    def micro(self):
        figures = json.loads(run([f"{self.build}/bench/bench_micro", self.tasks(300000)]))
        for name, parts in figures.items():
            for part, ns in parts.items():
                self.fact(f"{name}: {part.replace('_', ' ')}, ns of CPU", ns)

    def crowd(self, **options):
        """Simulated peers (bench_crowd): what a task costs the broker."""
        with Cluster(self.belt, agents=0, budget="4G") as cluster:
            ports = [address.rsplit(":", 1)[1] for address in (cluster.clients, cluster.workers)]
            words = [f"{name}={value}" for name, value in options.items()]
            return json.loads(run([f"{self.build}/bench/bench_crowd", *ports, cluster.broker.pid, *words]))

    def scale(self):
        ten_million = self.tasks(10000000)
        full = {"clients": 100, "jobs": 10, "window": ten_million // 1000, "fill": 1}
        cases = {"100 agents of 100 slots": {"agents": 100, "slots": 100, "window": self.tasks(1000000), "fill": 1},
                 "1,000 jobs of 100 clients": {"clients": 100, "jobs": 10},
                 "10 million waiting": {"window": ten_million, "fill": 1},
                 "all of it, 100 agents": {"agents": 100, "slots": 100, **full},
                 "all of it, 1,000 agents": {"agents": 1000, "slots": 10, **full}}
        small = self.crowd(tasks=self.tasks(2000000))
        self.fact("scale, small case: broker CPU a task, us", small["broker_cpu_us"])
        self.fact("scale, small case: tasks/s", small["tasks_per_second"])
        for name, options in cases.items():
            case = self.crowd(tasks=self.tasks(2000000), **options)
            self.note(f"scale, {name}: broker CPU a task / small case", case["broker_cpu_us"] / small["broker_cpu_us"])
            self.note(f"scale, {name}: longest pause, ms", case["longest_pause_ms"])
            self.fact(f"scale, {name}: tasks/s", case["tasks_per_second"])
            self.fact(f"scale, {name}: tasks per dispatch", case["tasks_per_dispatch"])
        self.fact("1,000 idle agents: broker CPU, per mille",
                  self.crowd(agents=1000, slots=10, idle_ms=3000)["idle_cpu"] * 1000)

    def stream(self):
        """One job of 100 million tasks; the memory of every process each second, for the plot as well."""
        rows, count = [], self.tasks(100000000)
        with Cluster(self.belt) as cluster:
            client = subprocess.Popen([self.belt, "bench", "--json", "--broker", cluster.clients, "--tasks", str(count)],
                                      stdout=subprocess.PIPE, text=True)
            agents = [agent.pid for agent in cluster.agents]
            groups = [[cluster.broker.pid], agents, [pid for pid in cluster.pids() if pid not in agents], [client.pid]]
            start = time.monotonic()
            while client.poll() is None:
                rows.append((time.monotonic() - start, *(max(status_of(pid, "VmRSS") for pid in group) / 1024 for group in groups)))
                time.sleep(1)
        done = json.loads(client.stdout.read())
        if done["tasks"] != count or done["failed"]:
            raise RuntimeError(f"{done['tasks']} tasks came, {done['failed']} failed")
        with open(f"{self.build}/stream.dat", "w") as file:
            file.writelines(" ".join(f"{value:.1f}" for value in row) + "\n" for row in rows if row[-1])
        half = len(rows) // 2
        growth = (max(row[at] for row in rows) - max(row[at] for row in rows[:half + 1]) for at in range(1, 5))
        self.note("stream of 100 million: broker at most, MiB", max(row[1] for row in rows))
        self.note("stream of 100 million: most growth in its second half, MiB", max(growth))
        self.fact("stream of 100 million, tasks/s", done["tasks_per_second"])


# Row, must, aim, whether more is better. Of a figure without bound both are None.
BOUNDS = {
    "echo 16 B / raw forwarder": (2, None, True),
    "echo 16 B / packed forwarder": (None, 0.5, True),
    "echo 16 B / nats": (None, 1.5, True),
    "echo 1 KiB / raw forwarder": (1, 2, True),
    "chunksize 1 / chunksize 100": (0.3, 0.8, True),
    "round trip p50 / raw forwarder": (1.4, 1.15, False),
    "round trip p99 / raw forwarder": (1.5, 1.25, False),
    "a command per task / xargs -P2 -n1": (0.8, 1, True),
    "a command per task / GNU parallel": (10, None, True),
    "echo 1 MiB / raw forwarder": (0.8, 0.95, True),
    "echo 1 MiB, largest process, MiB": (148, None, False),
    "mix 5/300 ms, shuffled: makespan / greedy": (1.03, 1.015, False),
    "mix 5/300 ms, long ones first: makespan / greedy": (1.03, 1.015, False),
    "mix 5/300 ms, long ones last: makespan / greedy": (1.03, 1.015, False),
    "mix 20 us / 50 ms: makespan / greedy": (1.03, 1.015, False),
    "mix heavy tail: makespan / greedy": (1.03, 1.015, False),
    **{f"arrival in order, {name}, {shape}, {reader}: {what}": bounds
       for name in ("shuffled", "long ones in a row") for shape in ("1 x 4", "2 x 2", "4 x 1") for reader in ("ordered", "unordered")
       for what, bounds in (("/ greedy", (1.03, 1.015, False)), ("makespan / greedy", (1.02, 1.01, False)))},
    "fairness: what it waits beyond its half, service times": (5, 2, False),
    "broker CPU a task, 16 B, us": (1, 0.5, False),
    "memory per waiting task beyond its payload, B": (100, 48, False),
    "ordered / unordered": (0.9, 0.98, True),
    "durable enqueue 1 KiB / redis AOF always": (1.5, 3, True),
    "durable / volatile echo 16 B": (0.3, 0.6, True),
    "restart with a million waiting durable tasks, s": (2, 0.5, False),
    "first result of a local map, ms": (100, 50, False),
    "scale, 100 agents of 100 slots: broker CPU a task / small case": (1.5, 1.2, False),
    "scale, 1,000 jobs of 100 clients: broker CPU a task / small case": (1.5, 1.2, False),
    "scale, 10 million waiting: broker CPU a task / small case": (1.5, 1.2, False),
    "scale, all of it, 100 agents: broker CPU a task / small case": (1.5, 1.2, False),
    "scale, all of it, 1,000 agents: broker CPU a task / small case": (1.5, 1.2, False),
    "stream of 100 million: broker at most, MiB": (None, 64, False),
    "stream of 100 million: most growth in its second half, MiB": (16, None, False),
}
PARTS = ["echo", "peers", "large", "round_trip", "chunks", "order", "commands", "first", "mixes", "arrival", "fairness", "waiting", "durable", "restart", "idle", "micro",
         "scale", "stream"]
# The long ones, and in how many rounds they run at most.
ROUNDS = {"scale": 3, "stream": 1}
