"""
Goes on from a training state as the PyTorch implementation of representation autoencoders does: modules that register the same parameters in the
same order, strict state dicts, AdamW, LambdaLR.

    training_state.py IN SIZES STEPPED RESAVED

SIZES is JSON. STEPPED gets the weights after one update with the gradients 0.1 w + 0.01; RESAVED the state as it was loaded, saved again.
"""
import json
import sys

import torch
from torch import nn
from torch.nn.utils.spectral_norm import SpectralNorm


class SelfAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)


class Dense(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attention = SelfAttention(width)
        self.output = Dense(width, width)


class Layer(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.attention = Attention(width)
        self.intermediate = Dense(width, inner)
        self.output = Dense(inner, width)
        self.layernorm_before, self.layernorm_after = nn.LayerNorm(width), nn.LayerNorm(width)


class Decoder(nn.Module):
    def __init__(self, latent, width, inner, layers, tokens, patch):
        super().__init__()
        self.decoder_embed = nn.Linear(latent, width)
        self.decoder_pos_embed = nn.Parameter(torch.zeros(1, tokens + 1, width), requires_grad=False)
        self.decoder_layers = nn.ModuleList([Layer(width, inner) for _ in range(layers)])
        self.decoder_norm = nn.LayerNorm(width)
        self.decoder_pred = nn.Linear(width, patch * patch * 3)
        self.trainable_cls_token = nn.Parameter(torch.zeros(1, 1, width))


class Autoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.Module()
        self.decoder = Decoder(**sizes)


class SpectralConv1d(nn.Conv1d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        SpectralNorm.apply(self, name="weight", n_power_iterations=1, dim=0, eps=1e-12)


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))


class Residual(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn


def block(width, kernel):
    return nn.Sequential(SpectralConv1d(width, width, kernel, padding=kernel // 2, padding_mode="circular"), Norm(width), nn.LeakyReLU(0.2))


class Discriminator(nn.Module):
    def __init__(self, width, kernel, heads):
        super().__init__()
        self.heads = nn.ModuleList([nn.Sequential(block(width, 1), Residual(block(width, kernel)), SpectralConv1d(width, 1, 1)) for _ in range(heads)])


saved_path, sizes, stepped_path, resaved_path = sys.argv[1:]
sizes = json.loads(sizes)
saved = torch.load(saved_path, map_location="cpu")

model, ema, disc = Autoencoder(sizes["decoder"]), Autoencoder(sizes["decoder"]), Discriminator(**sizes["discriminator"])
model.decoder.requires_grad_(True)
model.load_state_dict(saved["model"])
ema.load_state_dict(saved["ema"])
disc.load_state_dict(saved["disc"])
optimizers = {"": torch.optim.AdamW(model.decoder.parameters(), lr=1.0), "disc_": torch.optim.AdamW([p for p in disc.parameters() if p.requires_grad], lr=1.0)}
schedulers = {key: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0) for key, optimizer in optimizers.items()}
for key, optimizer in optimizers.items():
    optimizer.load_state_dict(saved[key + "optimizer"])
    if saved[key + "scheduler"] is not None:
        schedulers[key].load_state_dict(saved[key + "scheduler"])

state = {
    "step": saved["step"], "epoch": saved["epoch"], "model": model.state_dict(), "ema": ema.state_dict(), "disc": disc.state_dict(),
    "optimizer": optimizers[""].state_dict(), "disc_optimizer": optimizers["disc_"].state_dict(),
    "scheduler": schedulers[""].state_dict(), "disc_scheduler": schedulers["disc_"].state_dict(),
}
torch.save(state, resaved_path)

with torch.no_grad():
    for name, parameter in [*model.decoder.named_parameters(), *disc.named_parameters()]:
        if name != "decoder_pos_embed":
            parameter.grad = parameter * 0.1 + 0.01
for optimizer in optimizers.values():
    optimizer.step()
torch.save({**{f"decoder.{k}": v for k, v in model.decoder.state_dict().items()}, **{f"disc.{k}": v for k, v in disc.state_dict().items()}}, stepped_path)
print(json.dumps({key or "generator": {"lr": o.param_groups[0]["lr"], "last_epoch": schedulers[key].last_epoch} for key, o in optimizers.items()}))
