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


def network(case):
    return dict(mlp=mlp, cnn=cnn, resnet18=resnet18)[case["network"]](case)


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
