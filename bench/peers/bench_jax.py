"""JAX: the whole step jitted with its state donated, one call a step; for training also a scan over all batches in
one call. Gradients are value_and_grad, Hessian-vector products the jvp of grad."""

import functools
import math
import os
import sys

import worker

threads = worker.start(sys.argv)
os.environ["JAX_PLATFORMS"] = "cpu"
if threads == 1:
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"

import jax  # noqa: E402  (after the environment is set)
import jax.numpy as jnp  # noqa: E402


def mlp(parameters, x):
    for i in range(0, len(parameters), 2):
        x = x @ parameters[i] + parameters[i + 1]
        if i + 2 < len(parameters):
            x = jax.nn.relu(x)
    return x


def cnn(parameters, x, layouts):
    """layouts: of images and weights, as lax names them."""
    last = layouts[0] == "NHWC"
    pool = (1, 2, 2, 1) if last else (1, 1, 2, 2)
    for i, (filters, kernel, stride) in enumerate(worker.CNN_CONVOLUTIONS):
        half = ((kernel // 2, kernel // 2),) * 2
        x = jax.lax.conv_general_dilated(
            x, parameters[2 * i], (stride, stride), half, dimension_numbers=(*layouts, layouts[0])
        )
        x = jax.nn.relu(x + parameters[2 * i + 1].reshape((-1,) if last else (-1, 1, 1)))
        if i in (1, 2):
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, pool, pool, "VALID")
    x = jnp.transpose(x, (0, 3, 1, 2)) if last else x
    return mlp(parameters[2 * len(worker.CNN_CONVOLUTIONS) :], x.reshape(x.shape[0], -1))


def conv1d(parameters, x):
    for i, (_, _, stride) in enumerate(worker.CONV1D_LAYERS):
        x = jax.lax.conv_general_dilated(x, parameters[2 * i], (stride,), "VALID", dimension_numbers=("NCH", "OIH", "NCH"))
        x = jax.nn.relu(x + parameters[2 * i + 1].reshape((-1, 1)))
    return mlp(parameters[2 * len(worker.CONV1D_LAYERS) :], x.reshape(x.shape[0], -1))


def rnn(parameters, x):
    w, u, b, c = parameters[:4]
    cell = lambda h, a: (jnp.tanh(a + h @ u), None)  # noqa: E731
    return mlp(parameters[4:], jax.lax.scan(cell, jnp.zeros((x.shape[1], u.shape[0])), x @ w + (b + c))[0])


def lstm(parameters, x):
    w, u, b, c = parameters[:4]

    def cell(state, a):
        h, c = state
        i, f, g, o = jnp.split(a + h @ u, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zeros = jnp.zeros((x.shape[1], u.shape[0]))
    return mlp(parameters[4:], jax.lax.scan(cell, (zeros, zeros), x @ w + (b + c))[0][0])


PLAIN = dict(mlp=mlp, conv1d=conv1d, rnn=rnn, lstm=lstm)
LAYOUTS = {"": ("NCHW", "OIHW"), ", channels last": ("NHWC", "HWIO")}


def forward_of(case, layout):
    return PLAIN.get(case["network"]) or (lambda parameters, x: cnn(parameters, x, LAYOUTS[layout]))


def placed(arrays, layout, weights):
    """On the device, images and their weights in the layout."""
    order = (2, 3, 1, 0) if weights else (0, 2, 3, 1)
    return [jax.device_put(a.transpose(order).copy() if layout and a.ndim == 4 else a) for a in arrays]


def cross_entropy_of(forward):
    def cross_entropy(parameters, x, y):
        logits = jax.nn.log_softmax(forward(parameters, x))
        return -jnp.mean(jnp.take_along_axis(logits, y[:, None], axis=1))

    return cross_entropy


def sgd(loss, state, x, y):
    loss, gradients = jax.value_and_grad(loss)(state, x, y)
    return [p - worker.SGD_RATE * g for p, g in zip(state, gradients)], loss


def adam(loss, state, x, y):
    parameters, moments, squares, time = state
    loss, gradients = jax.value_and_grad(loss)(parameters, x, y)
    time = time + 1  # 1 - beta^time by expm1: in single precision 1 - 0.999 has only four digits left
    correction1, correction2 = (-jnp.expm1(time * math.log(beta)) for beta in (worker.BETA1, worker.BETA2))
    moments = [worker.BETA1 * m + (1 - worker.BETA1) * g for m, g in zip(moments, gradients)]
    squares = [worker.BETA2 * s + (1 - worker.BETA2) * g * g for s, g in zip(squares, gradients)]
    parameters = [
        p - worker.ADAM_RATE * (m / correction1) / (jnp.sqrt(s / correction2) + worker.EPSILON)
        for p, m, s in zip(parameters, moments, squares)
    ]
    return (parameters, moments, squares, time), loss


class Case:
    def __init__(self, case, layout=""):
        self.case = case
        self.forward = forward_of(case, layout)
        self.loss = cross_entropy_of(self.forward)
        inputs, labels = worker.batches(case)
        self.inputs = placed(inputs, layout, False)
        self.labels = [jax.device_put(y.astype("int32")) for y in labels]
        self.parameters = placed(worker.parameters(case), layout, True)
        self.at = 0
        self.last = None

    def reset(self):
        self.at = 0

    def next(self):
        at = self.at
        self.at = (at + 1) % len(self.inputs)
        return self.inputs[at], self.labels[at]


class Train(Case):
    def __init__(self, case, scan, layout=""):
        super().__init__(case, layout)
        step = functools.partial(sgd if case["kind"] == "sgd" else adam, self.loss)
        self.unit = len(self.inputs) if scan else 1
        if scan:
            self.data = (jnp.stack(self.inputs), jnp.stack(self.labels))
            self.function = jax.jit(
                lambda state, data: jax.lax.scan(lambda s, batch: step(s, *batch), state, data), donate_argnums=0
            )
        else:
            self.function = jax.jit(step, donate_argnums=0)

    def reset(self):
        super().reset()
        fresh = [p + 0 for p in self.parameters]
        if self.case["kind"] == "sgd":
            self.state = fresh
        else:
            zeros = lambda: [jnp.zeros_like(p) for p in fresh]  # noqa: E731
            self.state = (fresh, zeros(), zeros(), jnp.float32(0))
        jax.block_until_ready(self.state)

    def steps(self, n):
        state, function = self.state, self.function
        if self.unit > 1:
            for _ in range(n // self.unit):
                state, loss = function(state, self.data)
        else:
            for _ in range(n):
                state, loss = function(state, *self.next())
        self.state, self.last = state, loss
        jax.block_until_ready((state, loss))

    def check(self):
        self.reset()
        self.steps(self.case["check_steps"])
        return worker.gained(self.case, float(jnp.ravel(self.last)[-1]))


class Stateless(Case):
    """make(the case) -> the function of (parameters, x, y); value(its result) -> the number to agree on."""

    def __init__(self, case, make, value, layout=""):
        super().__init__(case, layout)
        self.function, self.value = jax.jit(make(self)), value

    def steps(self, n):
        function, parameters = self.function, self.parameters
        for _ in range(n):
            self.last = function(parameters, *self.next())
        jax.block_until_ready(self.last)

    def check(self):
        self.reset()
        self.steps(1)
        return self.value(self.last)


def hessian_vector(case, layout):
    vectors = placed(worker.directions(case), layout, True)

    def make(prepared):
        def product(parameters, x, y, directions):
            gradient = lambda p: jax.grad(prepared.loss)(p, x, y)  # noqa: E731
            return jax.jvp(gradient, (parameters,), (directions,))[1]

        return product

    prepared = Stateless(case, make, lambda h: sum(jnp.vdot(v, p) for v, p in zip(vectors, h)), layout)
    plain = prepared.function
    prepared.function = lambda parameters, x, y: plain(parameters, x, y, vectors)
    return prepared


def inference(case, layout):
    return Stateless(case, lambda it: lambda p, x, y: it.forward(p, x), lambda z: jnp.abs(z).sum(), layout)


def gradient(case, layout):
    value = lambda out: sum(jnp.abs(g).sum() for g in out[1])  # noqa: E731
    return Stateless(case, lambda it: jax.value_and_grad(it.loss), value, layout)


def prepare(case):
    if case["network"] not in ("cnn", *PLAIN):
        return {}
    variants = {}
    for layout in LAYOUTS if case["network"] == "cnn" else [""]:
        if case["kind"] in worker.TRAINING:
            variants[f"jit{layout}"] = lambda a=layout: Train(case, False, a)
            if case["network"] == "mlp":  # inside a scan convolutions take forty times longer
                variants["jit scan"] = lambda: Train(case, True)
        else:
            make = dict(infer=inference, grad=gradient, hvp=hessian_vector)[case["kind"]]
            variants[f"jit{layout}"] = lambda a=layout, make=make: make(case, a)
    return variants


worker.serve("JAX", jax.__version__, prepare)
