"""Writes the npz files beside it with numpy. python3 make.py (numpy 1.20 or later)"""
import os

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
at = lambda name: os.path.join(here, name)
images = (np.arange(5 * 4 * 6 * 3) * 37 % 256).astype(np.uint8).reshape(5, 4, 6, 3)
mu = np.linspace(-1, 1, 8)
sigma = np.cov(np.sin(np.arange(160).reshape(20, 8) ** 1.5), rowvar=False)

np.savez(at("images.npz"), images)
np.savez_compressed(at("images_compressed.npz"), images)
np.savez(at("moments.npz"), mu=mu, sigma=sigma)
np.savez_compressed(at("moments_float32.npz"), mu=mu.astype(np.float32), sigma=sigma.astype(np.float32))
# what is refused, and the headers of later versions
np.savez(at("others.npz"), fortran=np.asfortranarray(sigma), big=mu.astype(">f8"), half=mu.astype(np.float16), counts=np.arange(3),
         record=np.zeros(2, dtype=[("a", "<f4"), ("b", "|u1")]), objects=np.array([{}], dtype=object), scalar=np.float64(7), empty=np.zeros((0, 4, 6, 3), np.uint8))


def versioned(name, version):
    import zipfile
    with zipfile.ZipFile(at(name), "w") as archive, archive.open("arr_0.npy", "w") as file:
        np.lib.format.write_array(file, images, version=version)


versioned("version2.npz", (2, 0))
versioned("version3.npz", (3, 0))
