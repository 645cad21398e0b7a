"""What every peer shares: the cases, the data (the same numbers as bench/bench_train.c makes, from a hash of
their position), timing, and the little protocol that bench/run speaks: one command a line on standard input, one
JSON object a line on standard output. A peer registers, for each case, functions that prepare its variants; the
fastest variant is kept."""

import gc
import json
import math
import os
import sys
import time

import numpy

CLASSES = 10
PIECE = 1 << 16
BLOCK_SECONDS = 0.002  # a sample is the mean over a block of steps at least this long

# batches: so many different ones, visited in turn; check_steps: training steps to the loss that all must agree on
WIDE = dict(network="mlp", input=(784,), units=(128, 10), batches=16, check_steps=32)
DEEP = dict(network="mlp", input=(32,), units=(512, 512, 10), batches=16, check_steps=32)
CNN28 = dict(network="cnn", input=(1, 28, 28), batches=4, check_steps=8)
CNN64 = dict(network="cnn", input=(3, 64, 64), batches=4, check_steps=2)
RESNET18 = dict(network="resnet18", input=(3, 32, 32), batches=4, check_steps=2)
CONV1D = dict(network="conv1d", input=(10, 168), batches=16, check_steps=16, classes=2)
RNN = dict(network="rnn", steps=100, input=(64,), units=128, batches=4, check_steps=16)
LSTM = dict(RNN, network="lstm")
TRANSFORMER = dict(network="transformer", input=(64,), vocabulary=65, channels=64, heads=4, hidden=256, blocks=2, batches=4,
                   check_steps=16, classes=65)
CASES = {
    "sgd-1": dict(kind="sgd", batch=1, **WIDE),
    "sgd-32": dict(kind="sgd", batch=32, **WIDE),
    "sgd-256": dict(kind="sgd", batch=256, **WIDE),
    "adam-64": dict(kind="adam", batch=64, **DEEP),
    "grad-64": dict(kind="grad", batch=64, **DEEP),
    "hvp-64": dict(kind="hvp", batch=64, **DEEP),
    "deep-infer-64": dict(kind="infer", batch=64, **DEEP),
    "infer-1": dict(kind="infer", batch=1, **WIDE),
    "infer-32": dict(kind="infer", batch=32, **WIDE),
    "infer-256": dict(kind="infer", batch=256, **WIDE),
    "cnn28-64": dict(kind="adam", batch=64, **CNN28),
    "cnn64-64": dict(kind="adam", batch=64, **CNN64),
    "resnet18-64": dict(kind="momentum", batch=64, **RESNET18),
    "cnn28-grad-64": dict(kind="grad", batch=64, **CNN28),
    "cnn28-hvp-64": dict(kind="hvp", batch=64, **CNN28),
    "cnn28-infer-1": dict(kind="infer", batch=1, **CNN28),
    "cnn28-infer-64": dict(kind="infer", batch=64, **CNN28),
    "cnn64-infer-1": dict(kind="infer", batch=1, **CNN64),
    "cnn64-infer-64": dict(kind="infer", batch=64, **CNN64),
    "conv1d-32": dict(kind="adam", batch=32, **CONV1D),
    "rnn-32": dict(kind="sgd", batch=32, **RNN),
    "lstm-32": dict(kind="sgd", batch=32, **LSTM),
    "rnn-infer-32": dict(kind="infer", batch=32, **RNN),
    "lstm-infer-32": dict(kind="infer", batch=32, **LSTM),
    "transformer-16": dict(kind="adam", batch=16, **TRANSFORMER),
}
TRAINING = ("sgd", "momentum", "adam")
SGD_RATE, MOMENTUM = 0.01, 0.9
ADAM_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
CNN_CONVOLUTIONS = ((32, 3, 2), (64, 5, 1), (128, 3, 1), (256, 3, 1))  # filters, kernel, stride; half padding
CNN_HIDDEN = 256
CONV1D_LAYERS, CONV1D_HIDDEN = ((32, 5, 2), (32, 5, 2)), 64  # filters, kernel, stride; no padding
RESNET_STAGES = ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))  # filters, stride


def hashed(stream, first, count):
    """splitmix64 of (stream, position), as 64-bit integers."""
    with numpy.errstate(over="ignore"):
        z = numpy.arange(first, first + count, dtype=numpy.uint64) + (numpy.uint64(stream) << numpy.uint64(40))
        z = z * numpy.uint64(0x9E3779B97F4A7C15) + numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        return z ^ (z >> numpy.uint64(31))


def uniform(stream, shape, low, high):
    """By pieces, so that making them does not count in the peak of memory."""
    result = numpy.empty(int(numpy.prod(shape)), numpy.float32)
    for first in range(0, len(result), PIECE):
        piece = result[first : first + PIECE]
        unit = (hashed(stream, first, len(piece)) >> numpy.uint64(40)).astype(numpy.float32) * numpy.float32(2.0**-24)
        piece[:] = numpy.float32(low) + numpy.float32(high - low) * unit
    return result.reshape(shape)


def affine(*shape, fan_in):
    """Weight and bias, as (shape, bound of uniform numbers)."""
    filters = shape[0] if len(shape) > 2 else shape[1]
    return [(shape, fan_in**-0.5), ((filters,), fan_in**-0.5)]


def mlp_parameters(case):
    sizes = case["input"] + case["units"]
    return [p for rows, columns in zip(sizes, sizes[1:]) for p in affine(rows, columns, fan_in=rows)]


def cnn_parameters(case):
    channels, height, width = case["input"]
    result = []
    for filters, kernel, stride in CNN_CONVOLUTIONS:
        result += affine(filters, channels, kernel, kernel, fan_in=channels * kernel**2)
        channels, height, width = filters, -(-height // stride), -(-width // stride)
    flat = channels * (height // 4) * (width // 4)  # two poolings by 2
    return result + affine(flat, CNN_HIDDEN, fan_in=flat) + affine(CNN_HIDDEN, CLASSES, fan_in=CNN_HIDDEN)


def resnet18_parameters(case):
    def convolution(channels, filters, kernel):  # without bias, then batch norm: scale 1, shift 0
        shape = (filters, channels, kernel, kernel)
        return [(shape, (channels * kernel**2) ** -0.5), ((filters,), "ones"), ((filters,), "zeros")]

    channels = RESNET_STAGES[0][0]
    result = convolution(case["input"][0], channels, 3)
    for filters, stride in RESNET_STAGES:
        result += convolution(channels, filters, 3) + convolution(filters, filters, 3)
        if stride > 1:
            result += convolution(channels, filters, 1)  # the shortcut
        channels = filters
    return result + affine(channels, CLASSES, fan_in=channels)


def conv1d_parameters(case):
    channels, length = case["input"]
    result = []
    for filters, kernel, stride in CONV1D_LAYERS:
        result += affine(filters, channels, kernel, fan_in=channels * kernel)
        channels, length = filters, (length - kernel) // stride + 1
    flat = channels * length
    return result + affine(flat, CONV1D_HIDDEN, fan_in=flat) + affine(CONV1D_HIDDEN, case["classes"], fan_in=CONV1D_HIDDEN)


def recurrent_parameters(case):  # weight_ih, weight_hh, bias_ih, bias_hh of all gates, then the last layer
    (inputs,), units = case["input"], case["units"]
    width = units * GATES[case["network"]]
    bound = units**-0.5
    return [((inputs, width), inputs**-0.5), ((units, width), bound), ((width,), bound), ((width,), bound)] + affine(
        units, CLASSES, fan_in=units
    )


def transformer_parameters(case):
    channels, vocabulary = case["channels"], case["vocabulary"]
    norm = [((channels,), "ones"), ((channels,), "zeros")]
    result = [((1, vocabulary, channels), vocabulary**-0.5)]  # three axes: a table is not turned by who turns weights
    for _ in range(case["blocks"]):
        result += norm + affine(channels, 3 * channels, fan_in=channels) + affine(channels, channels, fan_in=channels)
        result += norm + affine(channels, case["hidden"], fan_in=channels)
        result += affine(case["hidden"], channels, fan_in=case["hidden"])
    return result + norm + affine(channels, case["classes"], fan_in=channels)


GATES = dict(rnn=1, lstm=4)
PARAMETERS = dict(mlp=mlp_parameters, cnn=cnn_parameters, resnet18=resnet18_parameters, conv1d=conv1d_parameters,
                  rnn=recurrent_parameters, lstm=recurrent_parameters, transformer=transformer_parameters)


def each_parameter(case):
    """In the order of the layers: weights (in, out) or (filters, channels, kernel...), biases, scales, shifts."""
    for i, (shape, bound) in enumerate(PARAMETERS[case["network"]](case)):
        if bound in ("ones", "zeros"):
            yield numpy.full(shape, 1 if bound == "ones" else 0, numpy.float32)
        else:
            yield uniform(1 + i, shape, -bound, bound)


def parameters(case):
    return list(each_parameter(case))


def directions(case):
    """The vectors of the Hessian-vector product, shaped as the parameters."""
    return [uniform(301 + i, p.shape, -0.5, 0.5) for i, p in enumerate(each_parameter(case))]


def batches(case):
    batch, count = case["batch"], case["batches"]
    if "vocabulary" in case:  # whole numbers [N, T], which are the labels of their steps, too
        shape, below = (batch,) + case["input"], numpy.uint64(case["vocabulary"])
        whole = [(hashed(101 + i, 0, math.prod(shape)) % below).astype(numpy.int64) for i in range(count)]
        return [tokens.reshape(shape) for tokens in whole], whole
    time = (case["steps"],) if "steps" in case else ()  # sequences are (steps, batch, inputs)
    inputs = [uniform(101 + i, time + (batch,) + case["input"], 0.0, 1.0) for i in range(count)]
    labels = [(hashed(201 + i, 0, batch) % numpy.uint64(classes(case))).astype(numpy.int64) for i in range(count)]
    return inputs, labels


def classes(case):
    return case.get("classes", CLASSES)


def gained(case, loss):
    """How much training has lowered the loss below that of guessing: what the programs must agree on."""
    return math.log(classes(case)) - loss


def clock():
    return time.perf_counter_ns() * 1e-9


def sample(prepared, seconds):
    """Microseconds per step, one number per block."""
    unit = getattr(prepared, "unit", 1)  # steps come in multiples of this
    prepared.reset()
    start = clock()
    prepared.steps(unit)
    if clock() - start < 1:
        prepared.steps(2 * unit)
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


def peak_bytes():
    """Of resident memory since this program started."""
    status = open("/proc/self/status").read()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def choose(case, variants, seconds):
    """The fastest variant, made ready, and a report on all."""
    times, failures, chosen = {}, {}, None
    for variant, make in variants.items():
        try:
            prepared = make()
            if len(variants) > 1:
                sample(prepared, 0.05)
            times[variant] = undisturbed(sample(prepared, seconds))
        except Exception as error:  # a variant that this version lacks
            failures[variant] = f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"
            continue
        if times[variant] == min(times.values()):
            chosen = variant, prepared
    reply = dict(case=case, variants=times, failed=failures)
    if chosen:
        reply["variant"] = chosen[0]
    return chosen, reply


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
            chosen[case], reply = choose(case, prepare(CASES[case]), float(words[2]))
        elif words[0] == "memory":  # of the one variant that is named, in a process that did nothing else
            before, make = peak_bytes(), prepare(CASES[case])[" ".join(words[3:])]
            prepared = make()
            sample(prepared, float(words[2]))
            reply = dict(case=case, start_bytes=before, peak_bytes=peak_bytes())
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
