/** Fills in what defaults to other keys. */
import type { Architecture } from "./blocks/architecture.ts"
import type { ConfigFile, RunConfig } from "./schema.ts"

type Scheduler = ConfigFile["training"]["scheduler"]

const schedulerOf = (scheduler: Scheduler, lr: number): RunConfig["training"]["scheduler"] => {
  const base = scheduler.base_lr ?? lr
  return { ...scheduler, base_lr: base, final_lr: scheduler.final_lr ?? base }
}

export const complete = (config: ConfigFile, architecture: Architecture): RunConfig => {
  const { data, gan, training } = config
  return {
    ...config,
    data: { ...data, image_size: data.image_size ?? architecture.decoder.image_size },
    training: {
      ...training,
      global_batch_size: training.global_batch_size ?? training.batch_size,
      scheduler: schedulerOf(training.scheduler, training.optimizer.lr)
    },
    gan: {
      disc: { ...gan.disc, scheduler: schedulerOf(gan.disc.scheduler, gan.disc.optimizer.lr) },
      loss: { ...gan.loss, disc_upd_start: gan.loss.disc_upd_start ?? gan.loss.disc_start }
    },
    architecture
  }
}
