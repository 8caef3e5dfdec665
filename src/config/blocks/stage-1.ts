/** `stage_1`: encoder and decoder, under the published key names. */
import * as K from "../keys.ts"

const encoderParams = K.block({
  dinov2_path: K.key(K.orNull(K.path), null, "DINOv2: directory, or Hub name of it, with `config.json` and the weights; null: that of `encoder_config_path`"),
  model_name: K.key(K.orNull(K.path), null, "MAE and SigLIP 2: the same"),
  num_tokens: K.key(K.orNull(K.count), null, "SigLIP 2: an argument of the published class that changes nothing there either", "tokens"),
  normalize: K.key(K.only(true, "latents with the affine part are not available"), true, "drop the affine part of the last layer norm, so that latents have mean 0 and variance 1")
}, "arguments of the encoder")

export const stage1 = K.requiredBlock({
  target: K.key(K.oneOf("stage1.RAE"), "stage1.RAE", "published name of the autoencoder"),
  params: K.requiredBlock({
    encoder_cls: K.key(K.oneOf("Dinov2withNorm", "MAEwNorm", "SigLIP2wNorm"), "Dinov2withNorm", "published name of the encoder's class"),
    encoder_config_path: K.required(K.path, "directory, or Hub name of it, that holds the encoder's `config.json`"),
    encoder_input_size: K.required(K.count, "side to which images are resized for the encoder; a multiple of its patch", "pixels"),
    encoder_params: encoderParams,
    decoder_config_path: K.required(K.path, "directory that holds the decoder's `config.json`"),
    decoder_patch_size: K.key(K.count, 16, "side of the decoder's patch", "pixels"),
    pretrained_decoder_path: K.key(K.orNull(K.path), null, "file of decoder weights to start from (safetensors or PyTorch); null: fresh weights"),
    noise_tau: K.key(K.nonNegative, 0.8, "largest standard deviation of the noise on training latents; a picture's is uniform from 0 to it"),
    reshape_to_2d: K.key(K.switchKind, true, "latents as [channels, height, width]; changes no number of this stage"),
    normalization_stat_path: K.key(K.orNull(K.path), null, "file with the latents' `mean` and `var` [C,H,W] (safetensors or PyTorch's `stat.pt`); null: latents as they are"),
    eps: K.key(K.positive, 1e-5, "added to the variance when latents are normalised")
  }, "arguments of the autoencoder"),
  ckpt: K.key(K.orNull(K.path), null, "checkpoint of the PyTorch implementation whose decoder weights are started from, averaged ones first; the encoder comes from its own files; null: none")
}, "the autoencoder")
