/**
 * Prometheus's text format (version 0.0.4) of Effect's counters and gauges. Effect has a writer of its own; loading it brings its whole HTTP
 * server along, 1 s on a busy machine, into a process that needs none.
 */
export interface Sample {
  readonly id: string
  readonly type: "counter" | "gauge"
  readonly description: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The format's media type. */
export const textType = "text/plain; version=0.0.4; charset=utf-8"

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
const valueText = (value: number): string => value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value)

/** Names and labels' names are the program's own and taken as they are; labels' values and descriptions may be anything. */
export const prometheusText = (samples: ReadonlyArray<Sample>): string =>
  [...Map.groupBy(samples, ({ id }) => id)].map(([id, family]) => {
    const lines = family.map(({ labels, value }) => `${id}{${Object.entries(labels).map(([name, text]) => `${name}="${escaped(text).replaceAll("\"", "\\\"")}"`).join(",")}} ${valueText(value)}\n`)
    return `# HELP ${id} ${escaped(family[0]?.description ?? "")}\n# TYPE ${id} ${family[0]?.type ?? "gauge"}\n${lines.join("")}`
  }).join("")
