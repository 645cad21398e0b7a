"""JAX: the whole step jitted with its state donated, one call a step; for training also a scan over all batches in
one call. Gradients are value_and_grad, Hessian-vector products the jvp of grad."""

import os
import sys

import worker

threads = worker.start(sys.argv)
os.environ["JAX_PLATFORMS"] = "cpu"
if threads == 1:
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"

import jax  # noqa: E402  (after the environment is set)
import jax.numpy as jnp  # noqa: E402


def forward(parameters, x):
    for i in range(0, len(parameters), 2):
        x = x @ parameters[i] + parameters[i + 1]
        if i + 2 < len(parameters):
            x = jax.nn.relu(x)
    return x


def cross_entropy(parameters, x, y):
    logits = jax.nn.log_softmax(forward(parameters, x))
    return -jnp.mean(jnp.take_along_axis(logits, y[:, None], axis=1))


def sgd(state, x, y):
    loss, gradients = jax.value_and_grad(cross_entropy)(state, x, y)
    return [p - worker.SGD_RATE * g for p, g in zip(state, gradients)], loss


def adam(state, x, y):
    parameters, moments, squares, power1, power2 = state
    loss, gradients = jax.value_and_grad(cross_entropy)(parameters, x, y)
    power1, power2 = power1 * worker.BETA1, power2 * worker.BETA2
    moments = [worker.BETA1 * m + (1 - worker.BETA1) * g for m, g in zip(moments, gradients)]
    squares = [worker.BETA2 * s + (1 - worker.BETA2) * g * g for s, g in zip(squares, gradients)]
    parameters = [
        p - worker.ADAM_RATE * (m / (1 - power1)) / (jnp.sqrt(s / (1 - power2)) + worker.EPSILON)
        for p, m, s in zip(parameters, moments, squares)
    ]
    return (parameters, moments, squares, power1, power2), loss


class Case:
    def __init__(self, case):
        self.case, self.sizes = case, case["sizes"]
        inputs, labels = worker.batches(self.sizes, case["batch"])
        self.inputs = [jax.device_put(x) for x in inputs]
        self.labels = [jax.device_put(y.astype("int32")) for y in labels]
        self.parameters = [jax.device_put(p) for p in worker.parameters(self.sizes)]
        self.at = 0
        self.last = None

    def reset(self):
        self.at = 0

    def next(self):
        at = self.at
        self.at = (at + 1) % worker.BATCHES
        return self.inputs[at], self.labels[at]


class Train(Case):
    def __init__(self, case, scan):
        super().__init__(case)
        step = sgd if case["kind"] == "sgd" else adam
        self.unit = worker.BATCHES if scan else 1
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
            self.state = (fresh, zeros(), zeros(), jnp.float32(1), jnp.float32(1))
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
        self.steps(worker.CHECK_STEPS)
        return jnp.ravel(self.last)[-1]


class Stateless(Case):
    def __init__(self, case, function, check):
        super().__init__(case)
        self.function, self.value = jax.jit(function), check

    def steps(self, n):
        function, parameters = self.function, self.parameters
        for _ in range(n):
            self.last = function(parameters, *self.next())
        jax.block_until_ready(self.last)

    def check(self):
        self.reset()
        self.steps(1)
        return self.value(self.last)


def hessian_vector(case):
    vectors = [jax.device_put(v) for v in worker.directions(case["sizes"])]

    def product(parameters, x, y, directions):
        gradient = lambda p: jax.grad(cross_entropy)(p, x, y)  # noqa: E731
        return jax.jvp(gradient, (parameters,), (directions,))[1]

    prepared = Stateless(case, product, lambda h: sum(jnp.vdot(v, p) for v, p in zip(vectors, h)))
    plain = prepared.function
    prepared.function = lambda parameters, x, y: plain(parameters, x, y, vectors)
    return prepared


def prepare(case):
    kind = case["kind"]
    if kind in ("sgd", "adam"):
        return {"jit": lambda: Train(case, False), "jit scan": lambda: Train(case, True)}
    if kind == "infer":
        return {"jit": lambda: Stateless(case, lambda p, x, y: forward(p, x), lambda z: jnp.abs(z).sum())}
    if kind == "grad":
        return {
            "jit": lambda: Stateless(
                case, jax.value_and_grad(cross_entropy), lambda out: sum(jnp.abs(g).sum() for g in out[1])
            )
        }
    return {"jit jvp of grad": lambda: hessian_vector(case)}


worker.serve("JAX", jax.__version__, prepare)
