"""The networks as PyTorch modules whose parameters come in the order of worker.parameters, and how they are filled."""

import torch
import torch.nn.functional as F
from torch import nn

import worker


def mlp(case):
    layers = []
    sizes = case["input"] + case["units"]
    for rows, columns in zip(sizes, sizes[1:]):
        layers += [nn.Linear(rows, columns), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn(case):
    channels, height, width = case["input"]
    layers = []
    for i, (filters, kernel, stride) in enumerate(worker.CNN_CONVOLUTIONS):
        layers += [nn.Conv2d(channels, filters, kernel, stride, kernel // 2), nn.ReLU(inplace=True)]
        channels, height, width = filters, -(-height // stride), -(-width // stride)
        if i in (1, 2):
            layers.append(nn.MaxPool2d(2))
    flat = channels * (height // 4) * (width // 4)
    layers += [nn.Flatten(), nn.Linear(flat, worker.CNN_HIDDEN), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(worker.CNN_HIDDEN, worker.CLASSES))


class Block(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.convolution1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(filters)
        self.convolution2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters)
        self.shortcut = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        y = F.relu(self.norm1(self.convolution1(x)), inplace=True)
        y = self.norm2(self.convolution2(y))
        y += self.shortcut(x)
        return F.relu(y, inplace=True)


def resnet18(case):
    channels = worker.RESNET_STAGES[0][0]
    layers = [nn.Conv2d(case["input"][0], channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    for filters, stride in worker.RESNET_STAGES:
        layers.append(Block(channels, filters, stride))
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, worker.CLASSES))


def conv1d(case):
    channels, length = case["input"]
    layers = []
    for filters, kernel, stride in worker.CONV1D_LAYERS:
        layers += [nn.Conv1d(channels, filters, kernel, stride), nn.ReLU(inplace=True)]
        channels, length = filters, (length - kernel) // stride + 1
    layers += [nn.Flatten(), nn.Linear(channels * length, worker.CONV1D_HIDDEN), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(worker.CONV1D_HIDDEN, case["classes"]))


class Recurrent(nn.Module):
    """(steps, batch, inputs) to the classes of the last state."""

    def __init__(self, case, batch_first):
        super().__init__()
        layer = dict(rnn=nn.RNN, lstm=nn.LSTM)[case["network"]]
        self.layer = layer(case["input"][0], case["units"], batch_first=batch_first)
        self.head = nn.Linear(case["units"], worker.CLASSES)

    def forward(self, x):
        state = self.layer(x)[1]
        return self.head((state[0] if isinstance(state, tuple) else state)[0])


class CellByCell(nn.Module):
    """The same as a loop of elementary operations, for torch.jit.script and torch.compile to look into: one product
    for all inputs, and then a step at a time."""

    def __init__(self, case):
        super().__init__()
        (inputs,), units = case["input"], case["units"]
        width = units * worker.GATES[case["network"]]
        self.lstm = case["network"] == "lstm"
        self.weight_ih, self.weight_hh = nn.Parameter(torch.empty(width, inputs)), nn.Parameter(torch.empty(width, units))
        self.bias_ih, self.bias_hh = nn.Parameter(torch.empty(width)), nn.Parameter(torch.empty(width))
        self.head = nn.Linear(units, worker.CLASSES)

    def forward(self, x):
        steps = F.linear(x, self.weight_ih, self.bias_ih + self.bias_hh).unbind(0)
        h = torch.zeros(x.shape[1], self.weight_hh.shape[1])
        c = h
        weight = self.weight_hh.t()
        for a in steps:
            z = torch.addmm(a, h, weight)
            if self.lstm:
                i, f, g, o = z.chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            else:
                h = torch.tanh(z)
        return self.head(h)


def recurrent(case, layout):
    if not layout.startswith("cell"):
        return Recurrent(case, layout == "batch first")
    return torch.jit.script(CellByCell(case)) if "scripted" in layout else CellByCell(case)


class TransformerBlock(nn.Module):
    """Norm, attention, norm, two dense layers; `fused` attention is one operation of PyTorch."""

    def __init__(self, case, fused):
        super().__init__()
        channels = case["channels"]
        self.heads, self.fused = case["heads"], fused
        self.norm1 = nn.LayerNorm(channels)
        self.project, self.back = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.widen, self.narrow = nn.Linear(channels, case["hidden"]), nn.Linear(case["hidden"], channels)
        self.register_buffer("later", torch.ones(*case["input"], *case["input"]).triu(1).bool())

    def attention(self, x):
        batch, steps, channels = x.shape
        q, k, v = self.project(x).view(batch, steps, 3, self.heads, channels // self.heads).permute(2, 0, 3, 1, 4)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q * (channels // self.heads) ** -0.5) @ k.transpose(-2, -1)
            y = F.softmax(scores.masked_fill(self.later, float("-inf")), -1) @ v
        return self.back(y.transpose(1, 2).reshape(batch, steps, channels))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.narrow(F.gelu(self.widen(self.norm2(x))))


class Transformer(nn.Module):
    """(batch, steps) whole numbers to the classes of all steps, one below the other."""

    def __init__(self, case, fused):
        super().__init__()
        (steps,), channels = case["input"], case["channels"]
        self.table = nn.Parameter(torch.empty(1, case["vocabulary"], channels))
        rates = 10000 ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels)
        angles = torch.arange(steps, dtype=torch.float64)[:, None] * rates
        positions = torch.stack((angles.sin(), angles.cos()), -1).reshape(steps, channels)
        self.register_buffer("positions", positions.float())
        self.blocks = nn.ModuleList(TransformerBlock(case, fused) for _ in range(case["blocks"]))
        self.norm, self.head = nn.LayerNorm(channels), nn.Linear(channels, case["classes"])

    def forward(self, x):
        y = F.embedding(x, self.table.view(self.table.shape[1:])) + self.positions
        for block in self.blocks:
            y = block(y)
        return self.head(self.norm(y)).flatten(0, 1)


def network(case, layout=""):
    if case["network"] == "transformer":
        return Transformer(case, fused=layout != "attention written out")
    if case["network"] in worker.GATES:
        return recurrent(case, layout)
    return dict(mlp=mlp, cnn=cnn, resnet18=resnet18, conv1d=conv1d)[case["network"]](case)


def as_here(array):
    """A weight (in, out) as PyTorch keeps it; others are the same."""
    return torch.from_numpy(array.T.copy() if array.ndim == 2 else array)


def load(parameters, case):
    with torch.no_grad():
        for mine, given in zip(parameters, worker.each_parameter(case)):
            mine.copy_(as_here(given))


def functional(case, model):
    """The network as function(parameters, x)."""
    if case["network"] != "mlp":
        from torch.func import functional_call

        names = [name for name, _ in model.named_parameters()]
        return lambda parameters, x: functional_call(model, dict(zip(names, parameters)), (x,))

    def forward(parameters, x):
        for i in range(0, len(parameters), 2):
            x = F.linear(x, parameters[i], parameters[i + 1])
            if i + 2 < len(parameters):
                x = F.relu(x)
        return x

    return forward
