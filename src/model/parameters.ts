import {
  NORM_PLACES,
  qkvWidths,
  type Architecture,
  type Layer,
  type LinearModule,
  type Norm,
} from './architecture.js';

// Letters: D width, F feed-forward width, E embedding width, V vocabulary.

/** A parameter by its name and shape. */
export interface TensorSpec {
  name: string;
  shape: number[];
}

/** A linear map of a block, and its sizes. */
export interface LinearSpec extends LinearModule {
  inputs: number;
  outputs: number;
  of: 'attention' | 'mlp';
}

/** The LM head's weight, where it is not the embedding. */
export const LM_HEAD = 'lm_head.weight';

/** The name of the weight that the LM head multiplies by, [V, E]. */
export const headWeightName = ({embedding, lmHead}: Architecture): string =>
  lmHead.tied ? `${embedding.tokens}.weight` : LM_HEAD;

/** The names of the tables that tokens and positions are looked up in. */
export function embeddingTables({embedding, positions}: Architecture): string[] {
  const tokens = `${embedding.tokens}.weight`;
  switch (positions.kind) {
    case 'learned':
      return [tokens, `${positions.table}.weight`];
    case 'rotary':
      return [tokens];
  }
}

/** The linear maps of a layer's block. */
export function layerLinears(arch: Architecture, {attention, mlp}: Layer): LinearSpec[] {
  const {width: D} = arch;
  return [
    ...qkvLinears(arch, attention),
    {...attention.out, inputs: qkvWidths(arch).q, outputs: D, of: 'attention'},
    ...mlpLinears(D, mlp),
  ];
}

function qkvLinears(arch: Architecture, {qkv}: Layer['attention']): LinearSpec[] {
  const widths = qkvWidths(arch);
  const linear = (module: LinearModule, outputs: number): LinearSpec => ({
    ...module,
    inputs: arch.width,
    outputs,
    of: 'attention',
  });
  switch (qkv.kind) {
    case 'columns':
      return [linear(qkv.qkv, widths.q + widths.k + widths.v)];
    case 'separate':
      return [linear(qkv.q, widths.q), linear(qkv.k, widths.k), linear(qkv.v, widths.v)];
  }
}

function mlpLinears(D: number, mlp: Layer['mlp']): LinearSpec[] {
  const {width: F} = mlp;
  const up = {...mlp.up, inputs: D, outputs: F, of: 'mlp'} as const;
  const down = {...mlp.down, inputs: F, outputs: D, of: 'mlp'} as const;
  switch (mlp.kind) {
    case 'plain':
      return [up, down];
    case 'gated':
      return [{...up, ...mlp.gate}, up, down];
  }
}

/** The linear maps that blocks have, each name once. */
export function blockLinears(arch: Architecture): LinearSpec[] {
  const byName = new Map<string, LinearSpec>();
  for (const layer of new Set(arch.layers)) {
    for (const linear of layerLinears(arch, layer))
      byName.set(linear.name, byName.get(linear.name) ?? linear);
  }
  return [...byName.values()];
}

/** The parameters of a layer's block, by names relative to it. */
export function blockTensors(arch: Architecture, layer: Layer): TensorSpec[] {
  const linears = (part: LinearSpec['of']) =>
    layerLinears(arch, layer)
      .filter(({of}) => of === part)
      .flatMap((linear) => linearTensors(arch, linear));
  const norms = (part: LinearSpec['of']) =>
    NORM_PLACES.filter((place) => place.startsWith(part)).flatMap((place) =>
      normTensors(arch.norm, layer.norms[place], arch.width),
    );
  return [
    ...norms('attention'),
    ...linears('attention'),
    ...qkNormTensors(arch, layer),
    ...norms('mlp'),
    ...linears('mlp'),
  ];
}

/** The parameters around the blocks, by their names. */
export function outerTensors(arch: Architecture): TensorSpec[] {
  const {width: D, vocabulary: V, embedding, lmHead} = arch;
  const {width: E} = embedding;
  const projection = (name: string | null, input: number, output: number) =>
    name === null ? [] : [{name: `${name}.weight`, shape: [output, input]}];
  return [
    {name: `${embedding.tokens}.weight`, shape: [V, E]},
    ...positionTensors(arch),
    ...projection(embedding.projection, E, D),
    ...projection(lmHead.projection, D, E),
    ...normTensors(arch.norm, lmHead.norm, D),
    ...(lmHead.tied ? [] : [{name: LM_HEAD, shape: [V, E]}]),
  ];
}

function positionTensors({positions, maxPositions, width: D}: Architecture): TensorSpec[] {
  switch (positions.kind) {
    case 'learned':
      return [{name: `${positions.table}.weight`, shape: [maxPositions + positions.offset, D]}];
    case 'rotary':
      return [];
  }
}

function linearTensors(arch: Architecture, {name, bias, inputs, outputs}: LinearSpec): TensorSpec[] {
  const shape = arch.weightLayout === 'io' ? [inputs, outputs] : [outputs, inputs];
  return [{name: `${name}.weight`, shape}, ...(bias ? [{name: `${name}.bias`, shape: [outputs]}] : [])];
}

function qkNormTensors({norm, headSize}: Architecture, {attention: {qkNorm}}: Layer): TensorSpec[] {
  if (qkNorm === null) return [];
  switch (qkNorm.over) {
    case 'head':
      return [qkNorm.q, qkNorm.k].flatMap((name) => normTensors(norm, name, headSize));
  }
}

/** The parameters of a norm of so many values. */
function normTensors(norm: Norm, name: string | null, width: number): TensorSpec[] {
  if (name === null) return [];
  const weight = {name: `${name}.weight`, shape: [width]};
  switch (norm.kind) {
    case 'layer':
      return norm.affine ? [weight, {name: `${name}.bias`, shape: [width]}] : [];
    case 'rms':
      return [weight];
  }
}
