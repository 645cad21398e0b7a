"""PyTorch, as fast as a good user writes it: eager with each form of the optimiser, and torch.compile of the loss,
of the loss and the optimiser, and of the whole functional step where the version has it."""

import os
import sys

import worker

threads = worker.start(sys.argv)

import torch  # noqa: E402  (after the environment is set)
import torch.nn.functional as F  # noqa: E402

torch.set_num_threads(threads)
torch.set_num_interop_threads(1)
torch.set_flush_denormal(True)

COMPILES = hasattr(torch, "compile") and not os.environ.get("BENCH_QUICK")


def compiled(function, **options):
    import torch._dynamo

    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, dynamic=False, options=options or None)


def network(sizes):
    layers = []
    for rows, columns in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(rows, columns), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def load(parameters, sizes):
    with torch.no_grad():
        for mine, given in zip(parameters, worker.parameters(sizes)):
            mine.copy_(torch.from_numpy(given.T.copy() if given.ndim == 2 else given))


def forward(parameters, x):
    for i in range(0, len(parameters), 2):
        x = F.linear(x, parameters[i], parameters[i + 1])
        if i + 2 < len(parameters):
            x = F.relu(x)
    return x


class Case:
    """Batches as tensors, visited in turn."""

    def __init__(self, case):
        self.case, self.sizes = case, case["sizes"]
        inputs, labels = worker.batches(self.sizes, case["batch"])
        self.batches = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in zip(inputs, labels)]
        self.at = 0
        self.last = None

    def next(self):
        batch = self.batches[self.at]
        self.at = (self.at + 1) % worker.BATCHES
        return batch

    def steps(self, n):
        step = self.step
        for _ in range(n):
            self.last = step(*self.next())


class Train(Case):
    def __init__(self, case, optimizer, compile_loss=False, compile_update=False, options=None):
        super().__init__(case)
        self.model = network(self.sizes)
        self.parameters = list(self.model.parameters())
        if case["kind"] == "sgd":
            self.optimizer = torch.optim.SGD(self.parameters, lr=worker.SGD_RATE, **optimizer)
        else:
            self.optimizer = torch.optim.Adam(
                self.parameters, lr=worker.ADAM_RATE, betas=(worker.BETA1, worker.BETA2), eps=worker.EPSILON, **optimizer
            )
        model = self.model
        self.loss = lambda x, y: F.cross_entropy(model(x), y)
        if compile_loss:
            self.loss = compiled(self.loss, **(options or {}))
        self.update = lambda: self.optimizer.step()
        if compile_update:
            self.update = torch.compile(self.update, options=options or None)

    def reset(self):
        load(self.parameters, self.sizes)
        for state in self.optimizer.state.values():
            for tensor in state.values():
                if isinstance(tensor, torch.Tensor):
                    tensor.zero_()
        self.at = 0

    def step(self, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(x, y)
        loss.backward()
        self.update()
        return loss

    def check(self):
        self.reset()
        self.steps(worker.CHECK_STEPS)
        return self.last.item()


class TrainFunctional(Case):
    """The whole step as one function of plain tensors: autograd.grad eagerly, or torch.func under torch.compile."""

    def __init__(self, case, compile_step=False, options=None):
        super().__init__(case)
        self.parameters = [p.detach().clone() for p in network(self.sizes).parameters()]
        self.moments = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.powers = torch.ones(2)
        self.betas = torch.tensor([worker.BETA1, worker.BETA2])
        adam = case["kind"] == "adam"

        def update(parameters, gradients, moments, squares, powers):
            if not adam:
                torch._foreach_add_(parameters, gradients, alpha=-worker.SGD_RATE)
                return
            powers.mul_(self.betas)
            scale1, scale2 = 1 / (1 - powers[0]), 1 / (1 - powers[1])
            for p, g, m, s in zip(parameters, gradients, moments, squares):
                m.mul_(worker.BETA1).add_(g, alpha=1 - worker.BETA1)
                s.mul_(worker.BETA2).addcmul_(g, g, value=1 - worker.BETA2)
                p.sub_(worker.ADAM_RATE * (m * scale1) / ((s * scale2).sqrt() + worker.EPSILON))

        def whole(parameters, moments, squares, powers, x, y):
            gradients, loss = torch.func.grad_and_value(lambda p: F.cross_entropy(forward(p, x), y))(parameters)
            update(parameters, gradients, moments, squares, powers)
            return loss

        def eager(parameters, moments, squares, powers, x, y):
            loss = F.cross_entropy(forward(parameters, x), y)
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                update(parameters, gradients, moments, squares, powers)
            return loss

        if compile_step:
            self.function = compiled(whole, **(options or {}))
        else:
            for p in self.parameters:
                p.requires_grad_()
            self.function = eager

    def reset(self):
        load(self.parameters, self.sizes)
        for tensor in self.moments + self.squares:
            tensor.zero_()
        self.powers.fill_(1)
        self.at = 0

    def step(self, x, y):
        return self.function(self.parameters, self.moments, self.squares, self.powers, x, y)

    def check(self):
        self.reset()
        self.steps(worker.CHECK_STEPS)
        return self.last.item()


class Infer(Case):
    def __init__(self, case, how, options=None):
        super().__init__(case)
        self.model = network(self.sizes).eval()
        load(list(self.model.parameters()), self.sizes)
        if how == "trace":
            self.model = torch.jit.optimize_for_inference(torch.jit.trace(self.model, self.batches[0][0]))
        elif how == "compile":
            self.model = compiled(self.model, **(options or {}))

    def reset(self):
        self.at = 0

    def steps(self, n):
        model, after = self.model, self.next
        with torch.inference_mode():
            for _ in range(n):
                self.last = model(after()[0])

    def check(self):
        self.reset()
        self.steps(1)
        return self.last.abs().sum().item()


class Gradient(Case):
    def __init__(self, case, how, options=None):
        super().__init__(case)
        self.parameters = [p.detach().clone() for p in network(self.sizes).parameters()]
        load(self.parameters, self.sizes)
        if how == "eager":
            for p in self.parameters:
                p.requires_grad_()
            self.step = self.eager
        else:
            def gradient(parameters, x, y):
                return torch.func.grad_and_value(lambda p: F.cross_entropy(forward(p, x), y))(parameters)

            function = compiled(gradient, **(options or {})) if how == "compile" else gradient
            self.step = lambda x, y: function(self.parameters, x, y)[0]

    def eager(self, x, y):
        return torch.autograd.grad(F.cross_entropy(forward(self.parameters, x), y), self.parameters)

    def reset(self):
        self.at = 0

    def check(self):
        self.reset()
        self.steps(1)
        return sum(g.abs().sum().item() for g in self.last)


class HessianVector(Case):
    def __init__(self, case, how, options=None):
        super().__init__(case)
        self.parameters = [p.detach().clone() for p in network(self.sizes).parameters()]
        load(self.parameters, self.sizes)
        self.directions = [torch.from_numpy(v.T.copy() if v.ndim == 2 else v) for v in worker.directions(self.sizes)]
        if how == "double backward":
            for p in self.parameters:
                p.requires_grad_()
            self.step = self.double_backward
        else:
            def product(parameters, directions, x, y):
                gradient = torch.func.grad(lambda p: F.cross_entropy(forward(p, x), y))
                return torch.func.jvp(gradient, (parameters,), (directions,))[1]

            function = compiled(product, **(options or {})) if how == "compile" else product
            self.step = lambda x, y: function(self.parameters, self.directions, x, y)

    def double_backward(self, x, y):
        loss = F.cross_entropy(forward(self.parameters, x), y)
        gradients = torch.autograd.grad(loss, self.parameters, create_graph=True)
        return torch.autograd.grad(gradients, self.parameters, grad_outputs=self.directions)

    def reset(self):
        self.at = 0

    def check(self):
        self.reset()
        self.steps(1)
        return sum((v * h).sum().item() for v, h in zip(self.directions, self.last))


CPP = dict(cpp_wrapper=True)


def prepare(case):
    kind = case["kind"]
    if kind in ("sgd", "adam"):
        variants = {
            "eager": lambda: Train(case, dict(foreach=False)),
            "eager foreach": lambda: Train(case, dict(foreach=True)),
            "eager fused": lambda: Train(case, dict(fused=True)),
            "eager functional": lambda: TrainFunctional(case),
        }
        if COMPILES:
            variants |= {
                "compile loss, fused": lambda: Train(case, dict(fused=True), compile_loss=True),
                "compile loss and update": lambda: Train(case, dict(foreach=True), True, True),
                "compile step": lambda: TrainFunctional(case, True),
                "compile step, C++ wrapper": lambda: TrainFunctional(case, True, CPP),
                "compile step, autotuned": lambda: TrainFunctional(case, True, dict(max_autotune=True)),
            }
    elif kind == "infer":
        variants = {"eager": lambda: Infer(case, "eager"), "traced": lambda: Infer(case, "trace")}
        if COMPILES:
            variants |= {
                "compile": lambda: Infer(case, "compile"),
                "compile, C++ wrapper": lambda: Infer(case, "compile", CPP),
            }
    elif kind == "grad":
        variants = {"eager": lambda: Gradient(case, "eager")}
        if COMPILES:
            variants |= {
                "compile": lambda: Gradient(case, "compile"),
                "compile, C++ wrapper": lambda: Gradient(case, "compile", CPP),
                "compile, autotuned": lambda: Gradient(case, "compile", dict(max_autotune=True)),
            }
    else:
        variants = {"double backward": lambda: HessianVector(case, "double backward")}
        if COMPILES:
            variants |= {
                "jvp of grad": lambda: HessianVector(case, "func"),
                "compile jvp of grad": lambda: HessianVector(case, "compile"),
                "compile jvp of grad, C++ wrapper": lambda: HessianVector(case, "compile", CPP),
                "compile jvp of grad, autotuned": lambda: HessianVector(case, "compile", dict(max_autotune=True)),
            }
    return variants


worker.serve("PyTorch", torch.__version__, prepare)
