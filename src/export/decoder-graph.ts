import {
  attentionScale,
  familyOf,
  hasZeroTokens,
  headWeightName,
  isPlainAttention,
  layerOf,
  loraScale,
  modelTensors,
  qkvWidths,
  slots,
  ZERO_KEYS,
  type Layer,
  type LinearModule,
  type Mlp,
  type ModelConfig,
  type Slot,
} from '../model/index.js';
import {UnsupportedError} from '../errors.js';
import {FLOAT_TYPE, OnnxGraph, type GraphDtype, type Real} from './onnx-graph.js';
import {TensorProto_DataType as DataType} from './onnx_pb.js';

// Shapes: B batch, T new tokens, P past tokens, N = B T rows, D width, E embedding width, H heads, d head size, V vocabulary.

/** A slot that runs: the layer that it runs, and its place among all slots of the model, which is that of its zero key. */
type NumberedSlot = Slot & {index: number; layer: Layer};

/** The slots that run where the middle layers of later cycles are left out. */
export function executedSlots(config: ModelConfig, cycles: number): NumberedSlot[] {
  return slots(config.arrangement)
    .map((slot, index) => ({...slot, index, layer: layerOf(config, slot)}))
    .filter(({part, cycle}) => part !== 'middle' || cycle <= cycles);
}

/**
 * A model as an ONNX graph of opset 20: every slot written out, the weights of shared layers once. Inputs and outputs
 * are those of the decoders with a cache that Optimum writes and transformers.js runs; a cache of no tokens is the
 * first run. Rows that are padded on the left have zeros in the attention mask. It never exits early.
 * @param cycles - how many of its cycles the middle layers run
 * @throws UnsupportedError for a family that has parts which no graph is written for yet
 */
export function decoderGraph(config: ModelConfig, cycles: number, dtype: GraphDtype): OnnxGraph {
  const {arch} = config;
  if (!arch.layers.every(({attention}) => isPlainAttention(arch, attention))) throw notYet(config);
  const decoder = new Decoder(config, new OnnxGraph(dtype));
  return decoder.build(executedSlots(config, cycles));
}

/** The refusal of a model that has parts which no graph is written for. */
const notYet = ({arch}: ModelConfig): UnsupportedError =>
  new UnsupportedError(
    `${familyOf(arch).title} models cannot be exported to ONNX yet; GPT-2 and OPT models can.`,
  );

/** What all slots share. */
interface Shared {
  /** B, T, H, d as a shape. */
  perHead: string;
  /** Whether a query may see a key: [B, 1, T, P + T]. */
  visible: string;
}

const PAST = 'past_sequence_length';
const TOTAL = 'past_sequence_length + sequence_length';

/** The least finite numbers of the dtypes, which no softmax sees. */
const LOWEST: Record<GraphDtype, number> = {F32: -3.4028234663852886e38, F16: -65504};

const real = (value: number): Real => ({real: value});

class Decoder {
  private readonly shapes: ReadonlyMap<string, readonly number[]>;

  constructor(
    private readonly config: ModelConfig,
    private readonly graph: OnnxGraph,
  ) {
    const specs = modelTensors(config.arch, config.arrangement);
    this.shapes = new Map(specs.map(({name, shape}) => [name, shape]));
  }

  build(executed: readonly NumberedSlot[]): OnnxGraph {
    const {graph} = this;
    const {heads: H, headSize: d} = this.config.arch;
    const ids = graph.input('input_ids', DataType.INT64, ['batch_size', 'sequence_length']);
    const mask = graph.input('attention_mask', DataType.INT64, ['batch_size', TOTAL]);
    const positions = graph.input('position_ids', DataType.INT64, ['batch_size', 'sequence_length']);
    const rows = graph.add('Shape', [ids]);
    const shared = {
      perHead: graph.add('Concat', [rows, graph.ints(H, d)], {axis: 0}),
      visible: this.visible(rows, mask),
    };
    let x = this.embed(ids, positions);
    for (const [place, slot] of executed.entries()) {
      graph.scope = `slot.${place}/`;
      x = this.block(x, slot, place, shared);
    }
    graph.scope = '';
    this.head(x, rows);
    for (const place of executed.keys()) {
      for (const what of ['key', 'value']) {
        const type = FLOAT_TYPE[graph.dtype];
        graph.input(pastName(place, what), type, ['batch_size', H, PAST, d]);
        graph.output(presentName(place, what), type, ['batch_size', H, TOTAL, d]);
      }
    }
    return graph;
  }

  /** Query i sees the keys up to its own that the attention mask [B, P + T] does not hide. */
  private visible(rows: string, mask: string): string {
    const {graph} = this;
    const tokens = graph.add('Gather', [rows, graph.int(1)]);
    const total = graph.add('Gather', [graph.add('Shape', [mask]), graph.int(1)]);
    const past = graph.add('Sub', [total, tokens]);
    const keys = graph.add('Range', [graph.int(0), total, graph.int(1)]);
    const queries = graph.add('Unsqueeze', [graph.add('Range', [past, total, graph.int(1)]), graph.ints(1)]);
    const causal = graph.add('LessOrEqual', [keys, queries]);
    const shown = graph.add('Cast', [mask], {to: DataType.BOOL});
    return graph.add('And', [causal, graph.add('Unsqueeze', [shown, graph.ints(1, 2)])]);
  }

  /** Token ids and positions [B, T] to [N, D]. */
  private embed(ids: string, places: string): string {
    const {graph} = this;
    const {embedding, positions, maxPositions, width: D} = this.config.arch;
    const flat = (indices: string) => graph.add('Reshape', [indices, graph.ints(-1)]);
    const tokens = graph.add('Gather', [this.parameter(`${embedding.tokens}.weight`), flat(ids)]);
    const x = embedding.projection === null ? tokens : this.project(tokens, embedding.projection);
    switch (positions.kind) {
      case 'learned': {
        const parameter = `${positions.table}.weight`;
        const table = graph.initializer({
          name: parameter,
          parameter,
          shape: [maxPositions, D],
          from: positions.offset * D,
        });
        return graph.add('Add', [x, graph.add('Gather', [table, flat(places)])]);
      }
      case 'rotary':
        return x;
    }
  }

  /** One slot: [N, D] to [N, D]. */
  private block(x: string, slot: NumberedSlot, place: number, shared: Shared): string {
    const {graph} = this;
    const {attention, norms} = slot.layer;
    const norm = (y: string, name: string | null) => (name === null ? y : this.norm(y, slot.prefix + name));
    const mixed = this.attention(norm(x, norms.attentionIn), slot, place, shared);
    const attended = norm(this.linear(mixed, slot, attention.out), norms.attentionOut);
    const middle = norm(graph.add('Add', [x, attended]), norms.attentionSum);
    const more = norm(this.mlp(norm(middle, norms.mlpIn), slot), norms.mlpOut);
    return norm(graph.add('Add', [middle, more]), norms.mlpSum);
  }

  /** The feed-forward network of a slot. */
  private mlp(x: string, slot: NumberedSlot): string {
    const {mlp} = slot.layer;
    switch (mlp.kind) {
      case 'plain': {
        const up = this.activation(this.linear(x, slot, mlp.up), mlp.activation);
        return this.linear(up, slot, mlp.down);
      }
      case 'gated': {
        const gate = this.activation(this.linear(x, slot, mlp.gate), mlp.activation);
        const product = this.graph.add('Mul', [gate, this.linear(x, slot, mlp.up)]);
        return this.linear(product, slot, mlp.down);
      }
    }
  }

  /** What the heads of a slot read, one after the other: [N, D]. The slot's keys and values go to the cache. */
  private attention(input: string, slot: NumberedSlot, place: number, shared: Shared): string {
    const {graph} = this;
    const [q, k, v] = this.projections(input, slot).map((rows) =>
      graph.add('Transpose', [graph.add('Reshape', [rows, shared.perHead])], {perm: [0, 2, 1, 3]}),
    ) as [string, string, string];
    const withPast = (present: string, what: string) =>
      graph.add('Concat', [pastName(place, what), present], {axis: 2}, presentName(place, what));
    const keys = withPast(k, 'key');
    const values = withPast(v, 'value');
    const scaled = graph.add('Mul', [q, graph.real(attentionScale(slot.layer.attention))]);
    const products = graph.add('MatMul', [scaled, graph.add('Transpose', [keys], {perm: [0, 1, 3, 2]})]);
    const logits = graph.add('Where', [shared.visible, products, graph.real(LOWEST[graph.dtype])]);
    const weights = this.weights(scaled, logits, slot);
    const mixed = graph.add('Transpose', [graph.add('MatMul', [weights, values])], {perm: [0, 2, 1, 3]});
    return graph.add('Reshape', [mixed, graph.ints(-1, qkvWidths(this.config.arch).q)]);
  }

  /** The softmax over logits [B, H, T, P + T], in which the slot's zero token, if any, takes part and is left out of. */
  private weights(scaled: string, logits: string, slot: NumberedSlot): string {
    const {graph} = this;
    const {arch, arrangement} = this.config;
    if (!hasZeroTokens(arrangement.layout)) return graph.add('Softmax', [logits], {axis: -1});
    const key = graph.initializer({
      name: `${ZERO_KEYS}.${slot.index}`,
      parameter: ZERO_KEYS,
      shape: [arch.heads, arch.headSize, 1],
      from: slot.index * arch.heads * arch.headSize,
    });
    const all = graph.add('Concat', [graph.add('MatMul', [scaled, key]), logits], {axis: -1});
    const weights = graph.add('Softmax', [all], {axis: -1});
    const end = graph.ints(Number.MAX_SAFE_INTEGER);
    return graph.add('Slice', [weights, graph.ints(1), end, graph.ints(-1)]);
  }

  /** q, k and v, [N, H d] each. */
  private projections(input: string, slot: NumberedSlot): string[] {
    const {graph} = this;
    const {qkv} = slot.layer.attention;
    switch (qkv.kind) {
      case 'columns': {
        const outputs = ['q', 'k', 'v'].map((name) => `${graph.scope}${name}`);
        const fused = this.linear(input, slot, qkv.qkv);
        return graph.addMany('Split', [fused], {axis: -1, num_outputs: 3}, outputs);
      }
      case 'separate':
        return [qkv.q, qkv.k, qkv.v].map((map) => this.linear(input, slot, map));
    }
  }

  /** A linear map of a slot's block, with its LoRA matrices: y + scale (x A^T) B^T. */
  private linear(x: string, slot: Slot, {name, bias}: LinearModule): string {
    const {graph} = this;
    const {arch, arrangement} = this.config;
    const {lora} = arrangement;
    const module = slot.prefix + name;
    const biases = bias ? [this.parameter(`${module}.bias`)] : [];
    const inputs = [x, this.parameter(`${module}.weight`), ...biases];
    const y = graph.add('Gemm', inputs, {transB: arch.weightLayout === 'oi' ? 1 : 0});
    if (!lora?.targets.includes(name)) return y;
    const low = graph.add('Gemm', [x, this.parameter(`${slot.lora}${name}.A`)], {transB: 1});
    const b = this.parameter(`${slot.lora}${name}.B`);
    return graph.add('Gemm', [low, b, y], {alpha: real(loraScale(lora)), transB: 1});
  }

  private activation(x: string, name: Mlp['activation']): string {
    const {graph} = this;
    switch (name) {
      case 'gelu_new':
        return graph.add('Gelu', [x], {approximate: 'tanh'});
      case 'gelu':
        return graph.add('Gelu', [x]);
      case 'relu':
        return graph.add('Relu', [x]);
      case 'silu':
        return graph.add('Mul', [x, graph.add('Sigmoid', [x])]);
    }
  }

  private norm(x: string, name: string): string {
    const {norm, width} = this.config.arch;
    switch (norm.kind) {
      case 'layer': {
        const affine = norm.affine
          ? [this.parameter(`${name}.weight`), this.parameter(`${name}.bias`)]
          : [this.graph.real(1, width)];
        return this.graph.add('LayerNormalization', [x, ...affine], {axis: -1, epsilon: real(norm.epsilon)});
      }
      case 'rms':
        throw notYet(this.config);
    }
  }

  /** The last states [N, D] to the logits [B, T, V], in float32 whatever the graph computes in. */
  private head(x: string, rows: string): void {
    const {graph} = this;
    const {lmHead, vocabulary: V} = this.config.arch;
    const normed = lmHead.norm === null ? x : this.norm(x, lmHead.norm);
    const state = lmHead.projection === null ? normed : this.project(normed, lmHead.projection);
    const weight = this.parameter(headWeightName(this.config.arch));
    const logits = graph.add('Gemm', [state, weight], {transB: 1});
    const shape = graph.add('Concat', [rows, graph.ints(V)], {axis: 0});
    const shaped = graph.add('Reshape', [logits, shape]);
    // JavaScript has no halves: where there is no Float16Array, transformers.js 3 takes their bits for numbers.
    graph.add('Cast', [shaped], {to: DataType.FLOAT}, 'logits');
    graph.output('logits', DataType.FLOAT, ['batch_size', 'sequence_length', V]);
  }

  /** OPT's maps between a narrower embedding and the blocks, which have no bias. */
  private project(x: string, name: string): string {
    return this.graph.add('Gemm', [x, this.parameter(`${name}.weight`)], {transB: 1});
  }

  /** A whole parameter as an initializer of its own name. */
  private parameter(name: string): string {
    return this.graph.initializer({name, parameter: name, shape: this.shapes.get(name)!, from: 0});
  }
}

const pastName = (place: number, what: string): string => `past_key_values.${place}.${what}`;
const presentName = (place: number, what: string): string => `present.${place}.${what}`;
