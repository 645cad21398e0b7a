"""PyTorch, as fast as a good user writes it: eager with each form of the optimiser, and torch.compile of the loss,
of the loss and the optimiser, and of the whole functional step where the version has it."""

import os
import sys

import worker

threads = worker.start(sys.argv)

import torch  # noqa: E402  (after the environment is set)
import torch.nn.functional as F  # noqa: E402

from torch_networks import as_here, functional, load, network  # noqa: E402

torch.set_num_threads(threads)
torch.set_num_interop_threads(1)
torch.set_flush_denormal(True)

COMPILES = hasattr(torch, "compile") and not os.environ.get("BENCH_QUICK")


def compiled(function, **options):
    import torch._dynamo

    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, dynamic=False, options=options or None)


class Case:
    """Batches as tensors, visited in turn. layout: of images, "" or "channels last"; inputs come in it."""

    def __init__(self, case, layout=""):
        self.case = case
        self.format = torch.channels_last if layout == LAYOUTS[1] else torch.contiguous_format
        self.model = network(case, layout).to(memory_format=self.format)
        self.parameters = list(self.model.parameters())
        load(self.parameters, case)
        inputs, labels = worker.batches(case)
        place = lambda x: torch.from_numpy(x).contiguous(memory_format=self.format)  # noqa: E731
        if layout == "batch first":
            place = lambda x: torch.from_numpy(x).transpose(0, 1).contiguous()  # noqa: E731
        self.batches = [(place(x), torch.from_numpy(y)) for x, y in zip(inputs, labels)]
        self.at = 0
        self.last = None

    def next(self):
        batch = self.batches[self.at]
        self.at = (self.at + 1) % len(self.batches)
        return batch

    def reset(self):
        self.at = 0

    def steps(self, n):
        step = self.step
        for _ in range(n):
            self.last = step(*self.next())


def optimizer_of(case, parameters, how):
    if case["kind"] == "adam":
        return torch.optim.Adam(
            parameters, lr=worker.ADAM_RATE, betas=(worker.BETA1, worker.BETA2), eps=worker.EPSILON, **how
        )
    return torch.optim.SGD(
        parameters, lr=worker.SGD_RATE, momentum=worker.MOMENTUM if case["kind"] == "momentum" else 0, **how
    )


class Train(Case):
    def __init__(self, case, optimizer, compile_loss=False, compile_update=False, options=None, layout=""):
        super().__init__(case, layout)
        self.optimizer = optimizer_of(case, self.parameters, optimizer)
        model = self.model
        self.loss = lambda x, y: F.cross_entropy(model(x), y)
        if compile_loss:
            self.loss = compiled(self.loss, **(options or {}))
        self.update = lambda: self.optimizer.step()
        if compile_update:
            self.update = torch.compile(self.update, options=options or None)

    def reset(self):
        load(self.parameters, self.case)
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
        self.steps(self.case["check_steps"])
        return worker.gained(self.case, self.last.item())


class TrainFunctional(Case):
    """The whole step as one function of plain tensors: autograd.grad eagerly, or torch.func under torch.compile."""

    def __init__(self, case, compile_step=False, options=None):
        super().__init__(case)
        self.parameters = [p.detach() for p in self.parameters]
        forward = functional(case, self.model)
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
        load(self.parameters, self.case)
        for tensor in self.moments + self.squares:
            tensor.zero_()
        self.powers.fill_(1)
        self.at = 0

    def step(self, x, y):
        return self.function(self.parameters, self.moments, self.squares, self.powers, x, y)

    def check(self):
        self.reset()
        self.steps(self.case["check_steps"])
        return worker.gained(self.case, self.last.item())


class Infer(Case):
    def __init__(self, case, how, options=None, layout=""):
        super().__init__(case, layout)
        self.model.eval()
        if how == "trace":
            self.model = torch.jit.optimize_for_inference(torch.jit.trace(self.model, self.batches[0][0]))
        elif how == "script":
            self.model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.script(self.model)))
        elif how == "oneDNN":  # weights and activations in its own layouts
            from torch.utils import mkldnn

            inner = mkldnn.to_mkldnn(self.model)
            self.model = lambda x: inner(x.to_mkldnn()).to_dense()
        elif how == "compile":
            self.model = compiled(self.model, **(options or {}))

    def steps(self, n):
        model, after = self.model, self.next
        with torch.inference_mode() if self.inference_mode else torch.no_grad():
            for _ in range(n):
                self.last = model(after()[0])

    inference_mode = True

    def check(self):
        self.reset()
        self.steps(1)
        return self.last.abs().sum().item()


class InferWithoutGradient(Infer):
    inference_mode = False


class Gradient(Case):
    def __init__(self, case, how, options=None):
        super().__init__(case)
        self.parameters = [p.detach() for p in self.parameters]
        self.forward = forward = functional(case, self.model)
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
        return torch.autograd.grad(F.cross_entropy(self.forward(self.parameters, x), y), self.parameters)

    def check(self):
        self.reset()
        self.steps(1)
        return sum(g.abs().sum().item() for g in self.last)


class HessianVector(Case):
    def __init__(self, case, how, options=None, layout=""):
        super().__init__(case, layout)
        self.directions = [as_here(v).contiguous(memory_format=self.format if v.ndim == 4 else torch.contiguous_format)
                           for v in worker.directions(case)]
        if how == "double backward":
            self.step = self.double_backward
        else:
            self.parameters = [p.detach() for p in self.parameters]
            forward = functional(case, self.model)

            def product(parameters, directions, x, y):
                gradient = torch.func.grad(lambda p: F.cross_entropy(forward(p, x), y))
                return torch.func.jvp(gradient, (parameters,), (directions,))[1]

            function = compiled(product, **(options or {})) if how == "compile" else product
            self.step = lambda x, y: function(self.parameters, self.directions, x, y)

    def double_backward(self, x, y):
        loss = F.cross_entropy(self.model(x), y)
        gradients = torch.autograd.grad(loss, self.parameters, create_graph=True)
        return torch.autograd.grad(gradients, self.parameters, grad_outputs=self.directions)

    def check(self):
        self.reset()
        self.steps(1)
        return sum((v * h).sum().item() for v, h in zip(self.directions, self.last))


CPP = dict(cpp_wrapper=True)
FROZEN = dict(freezing=True)


def training(case):
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
    return variants


def image_training(case):
    variants = {}
    for layout in LAYOUTS:
        for form in ("foreach", "fused"):
            variants[f"eager {form}{layout}"] = lambda a={form: True}, b=layout: Train(case, a, layout=b)
            if COMPILES:
                variants[f"compile loss, {form}{layout}"] = lambda a={form: True}, b=layout: Train(case, a, True, layout=b)
    if COMPILES:
        variants["compile loss and update"] = lambda: Train(case, dict(foreach=True), True, True)
    return variants


def inference(case):
    variants = {"eager": lambda: Infer(case, "eager"), "traced": lambda: Infer(case, "trace")}
    if COMPILES:
        variants |= {
            "compile": lambda: Infer(case, "compile"),
            "compile, C++ wrapper": lambda: Infer(case, "compile", CPP),
        }
    return variants


def image_inference(case):
    variants = {"oneDNN layouts": lambda: Infer(case, "oneDNN")}
    for layout in LAYOUTS:
        variants |= {
            f"eager{layout}": lambda a=layout: Infer(case, "eager", layout=a),
            f"eager, no_grad{layout}": lambda a=layout: InferWithoutGradient(case, "eager", layout=a),
            f"traced{layout}": lambda a=layout: Infer(case, "trace", layout=a),
            f"scripted{layout}": lambda a=layout: Infer(case, "script", layout=a),
        }
        if COMPILES:
            variants |= {
                f"compile{layout}": lambda a=layout: Infer(case, "compile", layout=a),
                f"compile, frozen{layout}": lambda a=layout: InferWithoutGradient(case, "compile", FROZEN, layout=a),
            }
    if COMPILES:
        variants["compile, frozen, C++ wrapper"] = lambda: InferWithoutGradient(case, "compile", FROZEN | CPP)
    return variants


def gradient(case):
    variants = {"eager": lambda: Gradient(case, "eager")}
    if COMPILES:
        variants |= {
            "compile": lambda: Gradient(case, "compile"),
            "compile, C++ wrapper": lambda: Gradient(case, "compile", CPP),
            "compile, autotuned": lambda: Gradient(case, "compile", dict(max_autotune=True)),
        }
    return variants


def hessian_vector(case):
    variants = {"double backward": lambda: HessianVector(case, "double backward")}
    if case["network"] != "mlp":
        variants["double backward, channels last"] = lambda: HessianVector(case, "double backward", layout=LAYOUTS[1])
    if hasattr(torch, "func"):
        variants["jvp of grad"] = lambda: HessianVector(case, "func")
    if COMPILES:
        variants |= {
            "compile jvp of grad": lambda: HessianVector(case, "compile"),
            "compile jvp of grad, C++ wrapper": lambda: HessianVector(case, "compile", CPP),
            "compile jvp of grad, autotuned": lambda: HessianVector(case, "compile", dict(max_autotune=True)),
        }
    return variants


def recurrent_training(case):
    """nn.RNN and nn.LSTM are one operation each, which oneDNN or ATen computes step by step; compiling does not look inside."""
    variants = {
        "eager": lambda: Train(case, dict(foreach=False)),
        "eager foreach": lambda: Train(case, dict(foreach=True)),
        "eager fused": lambda: Train(case, dict(fused=True)),
        "batch first": lambda: Train(case, dict(foreach=True), layout="batch first"),
        "cell by cell": lambda: Train(case, dict(foreach=True), layout="cell by cell"),
        "cell by cell, scripted": lambda: Train(case, dict(foreach=True), layout="cell by cell, scripted"),
    }
    if COMPILES:
        variants |= {
            "compile loss": lambda: Train(case, dict(foreach=True), compile_loss=True),
            "compile loss, cell by cell": lambda: Train(case, dict(foreach=True), compile_loss=True, layout="cell by cell"),
        }
    return variants


def transformer_training(case):
    variants = {}
    for layout in ("", "attention written out"):
        for form in ("foreach", "fused"):
            variants[f"eager {form}, {layout}".rstrip(", ")] = lambda a={form: True}, b=layout: Train(case, a, layout=b)
            if COMPILES:
                name = f"compile loss, {form}, {layout}".rstrip(", ")
                variants[name] = lambda a={form: True}, b=layout: Train(case, a, True, layout=b)
    if COMPILES:
        variants["compile loss and update"] = lambda: Train(case, dict(foreach=True), True, True)
    return variants


def recurrent_inference(case):
    variants = {"eager": lambda: Infer(case, "eager"), "eager, no_grad": lambda: InferWithoutGradient(case, "eager"),
                "cell by cell": lambda: Infer(case, "eager", layout="cell by cell"),
                "cell by cell, scripted": lambda: Infer(case, "eager", layout="cell by cell, scripted")}
    if COMPILES:
        variants["compile, cell by cell"] = lambda: Infer(case, "compile", layout="cell by cell")
    return variants


LAYOUTS = ("", ", channels last")


def prepare(case):
    if case["network"] in worker.GATES:
        return recurrent_training(case) if case["kind"] in worker.TRAINING else recurrent_inference(case)
    if case["network"] == "transformer":
        return transformer_training(case)
    if case["network"] == "conv1d":
        return training(case)
    images = case["network"] != "mlp"
    if case["kind"] in worker.TRAINING:
        return image_training(case) if images else training(case)
    if case["kind"] == "infer":
        return image_inference(case) if images else inference(case)
    return dict(grad=gradient, hvp=hessian_vector)[case["kind"]](case)


worker.serve("PyTorch", torch.__version__, prepare)
