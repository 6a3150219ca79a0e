# SPDX-License-Identifier: Apache-2.0
"""Processes: starting Belt, and what a process uses of the machine."""
import json, os, signal, socket, subprocess, time


def run(command, timeout=900, **more):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            direct = [int(child) for child in file.read().split()]
    except OSError:
        return []
    return direct + [deep for child in direct for deep in children_of(child)]


def cpu_of(pid):
    """CPU seconds of a process with all of its threads."""
    return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3)


def status_of(pid, field):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def switches_of(pid):
    """Voluntary context switches of all threads: how often the process went to sleep."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
    return total


class Cluster:
    """A broker and agents, each in processes of its own, over loopback TCP."""

    def __init__(self, belt, agents=2, slots=1, state=None, budget=None):
        self.belt, self.state, self.budget = belt, state, budget
        self.clients, self.workers = f"tcp://127.0.0.1:{free_port()}", f"tcp://127.0.0.1:{free_port()}"
        self.broker = self.start_broker()
        self.agents = [subprocess.Popen([belt, "worker", "--quiet", "--echo", "-j", str(slots), "--broker", self.workers],
                                        stderr=subprocess.DEVNULL) for _ in range(agents)]
        for _ in range(agents and 500):
            status = json.loads(run([belt, "status", "--json", "--broker", self.clients]))
            if status["broker"]["slots"] == agents * slots:
                return
            time.sleep(0.02)
        if agents:
            self.stop()
            raise RuntimeError("the workers did not come")

    def start_broker(self):
        ready, theirs = os.pipe()
        command = [self.belt, "broker", "--quiet", "--clients", self.clients, "--workers", self.workers, "--ready-fd", str(theirs)]
        command += ["--state", self.state] if self.state else []
        command += ["--memory-budget", self.budget] if self.budget else []
        broker = subprocess.Popen(command, pass_fds=[theirs])
        os.close(theirs)
        while os.read(ready, 4096):
            break
        os.close(ready)
        return broker

    def bench(self, *options):
        return json.loads(run([self.belt, "bench", "--json", "--broker", self.clients, *options]))

    def pids(self):
        """Of agents and slots."""
        return [pid for agent in self.agents for pid in [agent.pid, *children_of(agent.pid)]]

    def cpu(self):
        """CPU seconds of all of its processes."""
        return sum(map(cpu_of, [self.broker.pid, *self.pids()]))

    def stop(self):
        for process in [*self.agents, self.broker]:
            process.send_signal(signal.SIGTERM)
        for process in [*self.agents, self.broker]:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
