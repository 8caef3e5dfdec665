"""Makes the files of this folder with PIL (9.4 made those in use): images in several formats, and the bytes that PIL has for them.

    python3 tests/golden-images/make.py
"""
import os
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))


def picture(width, height):
    """The same as `picture` in tests/golden-images/picture.ts."""
    pixels = bytearray()
    for y in range(height):
        for x in range(width):
            pixels += bytes(((x * 7 + y * 3) % 256, (x * x + y * 11) % 256, 255 if (x // 5 + y // 4) % 2 else (x * y) % 90))
    return Image.frombytes("RGB", (width, height), bytes(pixels))


def keep(name, image):
    with open(name + ".rgb", "wb") as file:
        file.write(image.convert("RGB").tobytes())


def shorter_side_to(image, shorter):
    """torchvision.transforms.Resize."""
    w, h = image.size
    size = (shorter, int(shorter * h / w)) if w <= h else (int(shorter * w / h), shorter)
    return image.resize(size, Image.BICUBIC)


def centre_crop(image, size):
    """ADM's centre crop, by its description: halve with BOX, resize with BICUBIC, cut."""
    while min(image.size) >= 2 * size:
        image = image.resize(tuple(x // 2 for x in image.size), Image.BOX)
    scale = size / min(image.size)
    image = image.resize(tuple(round(x * scale) for x in image.size), Image.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))


base = picture(45, 31)
keep("larger", base.resize((70, 48), Image.BICUBIC))
keep("smaller", base.resize((17, 12), Image.BICUBIC))
keep("halved", base.resize((22, 15), Image.BOX))
keep("same-width", base.resize((45, 40), Image.BICUBIC))
keep("train-24", shorter_side_to(base, 36))
keep("centre-24", centre_crop(base, 24))
keep("centre-8", centre_crop(picture(90, 37), 8))

small = picture(24, 18)
files = {
    "colour.jpg": (small, dict(quality=90)),
    "grey.jpg": (small.convert("L"), dict(quality=90)),
    "cmyk.jpg": (small.convert("CMYK"), dict(quality=95)),
    "cmyk.tif": (small.convert("CMYK"), {}),
    "palette.png": (small.quantize(8), dict(transparency=2)),
    "alpha.png": (Image.merge("RGBA", (*small.split(), small.split()[1])), {}),
    "grey-alpha.png": (small.convert("LA"), {}),
    "bilevel.png": (small.convert("1"), {}),
    "lossless.webp": (small, dict(lossless=True)),
    "animated.gif": (small.quantize(16), dict(save_all=True, append_images=[small.rotate(180).quantize(16)])),
    "animated.webp": (small, dict(save_all=True, append_images=[small.rotate(180)], lossless=True)),
}
exif = Image.Exif()
exif[274] = 6
files["rotated.jpg"] = (small, dict(quality=90, exif=exif))
for name, (image, options) in files.items():
    image.save(name, **options)
    keep(name, Image.open(name))
