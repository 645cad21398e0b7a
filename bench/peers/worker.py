"""What every peer shares: the cases, the data (the same numbers as bench/bench_train.c makes, from a hash of
their position), timing, and the little protocol that bench/run speaks: one command a line on standard input, one
JSON object a line on standard output. A peer registers, for each case, functions that prepare its variants; the
fastest variant is kept."""

import gc
import json
import os
import sys
import time

import numpy

BATCHES = 16  # different batches, visited in turn
CLASSES = 10
CHECK_STEPS = 32
BLOCK_SECONDS = 0.002  # a sample is the mean over a block of steps at least this long

WIDE = (784, 128, 10)
DEEP = (32, 512, 512, 10)
CASES = {
    "sgd-1": dict(kind="sgd", sizes=WIDE, batch=1),
    "sgd-32": dict(kind="sgd", sizes=WIDE, batch=32),
    "sgd-256": dict(kind="sgd", sizes=WIDE, batch=256),
    "adam-64": dict(kind="adam", sizes=DEEP, batch=64),
    "grad-64": dict(kind="grad", sizes=DEEP, batch=64),
    "hvp-64": dict(kind="hvp", sizes=DEEP, batch=64),
    "infer-1": dict(kind="infer", sizes=WIDE, batch=1),
    "infer-32": dict(kind="infer", sizes=WIDE, batch=32),
    "infer-256": dict(kind="infer", sizes=WIDE, batch=256),
}
SGD_RATE = 0.01
ADAM_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


def hashed(stream, count):
    """splitmix64 of (stream, position), as 64-bit integers."""
    with numpy.errstate(over="ignore"):
        z = numpy.arange(count, dtype=numpy.uint64) + (numpy.uint64(stream) << numpy.uint64(40))
        z = z * numpy.uint64(0x9E3779B97F4A7C15) + numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        return z ^ (z >> numpy.uint64(31))


def uniform(stream, shape, low, high):
    count = int(numpy.prod(shape))
    unit = (hashed(stream, count) >> numpy.uint64(40)).astype(numpy.float32) * numpy.float32(2.0**-24)
    return (numpy.float32(low) + numpy.float32(high - low) * unit).astype(numpy.float32).reshape(shape)


def parameters(sizes):
    """[w1 (in, out), b1, w2, b2, ...], uniform within 1 / sqrt(in)."""
    result = []
    for layer, (rows, columns) in enumerate(zip(sizes, sizes[1:])):
        bound = rows**-0.5
        result.append(uniform(1 + 2 * layer, (rows, columns), -bound, bound))
        result.append(uniform(2 + 2 * layer, (columns,), -bound, bound))
    return result


def directions(sizes):
    """The vectors of the Hessian-vector product, shaped as the parameters."""
    return [uniform(301 + i, p.shape, -0.5, 0.5) for i, p in enumerate(parameters(sizes))]


def batches(sizes, batch):
    inputs = [uniform(101 + i, (batch, sizes[0]), 0.0, 1.0) for i in range(BATCHES)]
    labels = [(hashed(201 + i, batch) % numpy.uint64(CLASSES)).astype(numpy.int64) for i in range(BATCHES)]
    return inputs, labels


def clock():
    return time.perf_counter_ns() * 1e-9


def sample(prepared, seconds):
    """Microseconds per step, one number per block."""
    unit = getattr(prepared, "unit", 1)  # steps come in multiples of this
    prepared.reset()
    prepared.steps(3 * unit)
    steps = unit
    while True:
        start = clock()
        prepared.steps(steps)
        if clock() - start >= BLOCK_SECONDS:
            break
        steps *= 2
    prepared.reset()
    gc.collect()
    gc.disable()
    samples, end = [], clock() + seconds
    while True:
        start = clock()
        prepared.steps(steps)
        now = clock()
        samples.append((now - start) / steps * 1e6)
        if now >= end:
            break
    gc.enable()
    return samples


def undisturbed(values):
    """The lower tenth: what to compare variants by."""
    return sorted(values)[len(values) // 10]


def serve(name, version, prepare):
    """prepare(case description) -> {variant: function making an object with reset(), steps(n), check()}."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints does not disturb the protocol
    chosen = {}
    print(json.dumps(dict(name=name, version=version, cases=list(CASES))), file=out)
    for line in sys.stdin:
        words = line.split()
        if not words or words[0] == "quit":
            break
        case = words[1]
        if words[0] == "tune":
            times, failures = {}, {}
            for variant, make in prepare(CASES[case]).items():
                try:
                    prepared = make()
                    sample(prepared, 0.05)
                    times[variant] = undisturbed(sample(prepared, float(words[2])))
                except Exception as error:  # a variant that this version lacks
                    failures[variant] = f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"
                    continue
                if times[variant] == min(times.values()):
                    chosen[case] = (variant, prepared)
            reply = dict(case=case, variant=chosen[case][0], variants=times, failed=failures)
        elif words[0] == "check":
            reply = dict(case=case, check=float(chosen[case][1].check()))
        else:  # run
            reply = dict(case=case, samples=sample(chosen[case][1], float(words[2])))
        print(json.dumps(reply), file=out)


def start(arguments):
    """Takes the thread count and binds the process to that many processors, before any library starts threads."""
    threads = int(arguments[1]) if len(arguments) > 1 else 1
    processors = sorted(os.sched_getaffinity(0))[:threads]
    os.sched_setaffinity(0, processors)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):
        os.environ[name] = str(threads)
    return threads
