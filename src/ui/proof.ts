/** The part of a certificate that is shown to people. */
export interface Proof {
  tensors: readonly {how: string}[];
  logits: {
    engine: string;
    probe: string;
    tokens: number;
    plain_max_abs_difference: number;
    mean_kl: number;
    source_loss: number;
    converted_loss: number;
  } | null;
}

/** The facts that a certificate proves about a converted model. */
export function proofFacts({tensors, logits}: Proof): [string, string][] {
  const copied = tensors.filter(({how}) => how === 'copied').length;
  const other = tensors.filter(({how}) => how === 'cast' || how === 'averaged').length;
  const parts = [
    ...(copied > 0 ? [`${copied} tensors with the source's bytes`] : []),
    ...(other > 0 ? [`${other} with those made from the source once more`] : []),
  ];
  const verified = `read back from the disk: ${parts.join(', ')}, by sha256`;
  return [
    ['verified', verified],
    ...(logits ? [['predictions', predictionsOf(logits)] as [string, string]] : []),
  ];
}

function predictionsOf(logits: NonNullable<Proof['logits']>): string {
  const difference = logits.plain_max_abs_difference;
  const plain =
    difference === 0
      ? "every logit is the source's"
      : `logits differ by at most ${difference.toPrecision(3)} from the source's`;
  return [
    `one cycle, no zero tokens: ${plain}`,
    `as it runs: mean KL ${logits.mean_kl.toPrecision(3)} nats a token, loss ${logits.converted_loss.toFixed(3)}, the source's ${logits.source_loss.toFixed(3)}`,
    `over ${logits.tokens} tokens of ${logits.probe}, on engine ${logits.engine}`,
  ].join('\n');
}
