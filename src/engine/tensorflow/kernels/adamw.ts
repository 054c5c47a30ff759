import type {TensorInfo} from '@tensorflow/tfjs-core';
import type {AdamWNumbers, Kernels} from '../../contract.js';
import {typeAttribute, type Binding, type TensorflowBackend} from '../backend.js';

type AdamWInputs = Kernels<TensorInfo>['ZttAdamW']['inputs'];

const VARIABLES = ['parameter', 'mean', 'square'] as const;

/** Numbers of some steps, which their parameters share. */
const KEPT_SCALARS = 64;

/**
 * AdamW in place, by TensorFlow's own kernel for Adam, which updates variables. tfjs knows none: each tensor is put into
 * a variable for as long as the kernel runs, by its buffer, and is the only one who holds that. A buffer that others
 * hold too, TensorFlow copies first.
 */
export class AdamWKernel {
  private readonly variables: Record<(typeof VARIABLES)[number], number>;
  private readonly scalars = new Map<number, number>();

  constructor(private readonly backend: TensorflowBackend) {
    const variable = (name: string) => makeVariable(backend.binding, `ztt-${name}`);
    const [parameter, mean, square] = VARIABLES.map(variable) as [number, number, number];
    this.variables = {parameter, mean, square};
  }

  update(inputs: AdamWInputs, numbers: AdamWNumbers): void {
    const {binding} = this.backend;
    const {scale, rate, beta1, beta2, epsilon, squareCorrection, decay} = numbers;
    this.dropScalars();
    // TensorFlow divides by sqrt(square) + e, PyTorch by sqrt(square) / squareCorrection + epsilon.
    const [beta1Power, beta2Power] = [0, 0];
    const scalars = [
      beta1Power,
      beta2Power,
      rate * squareCorrection,
      beta1,
      beta2,
      epsilon * squareCorrection,
    ];
    const given = scalars.map((value) => this.scalar(value));
    const scaled = this.scaled(inputs, scale);
    try {
      if (decay !== 1) this.replace(inputs.parameter, (id) => this.product(id, this.scalar(decay)));
      this.asVariables(inputs, () => {
        const variables = VARIABLES.map((name) => this.variables[name]);
        const attributes = [typeAttribute(binding, 'T', binding.TF_FLOAT)];
        binding.executeOp('ResourceApplyAdam', attributes, [...variables, ...given, scaled], 0);
      });
    } finally {
      binding.deleteTensor(scaled);
    }
  }

  /** Runs while the tensors are the variables' values, and gives them what these are then. */
  private asVariables(tensors: AdamWInputs, run: () => void): void {
    const {binding, tensorMap} = this.backend;
    const dtype = [typeAttribute(binding, 'dtype', binding.TF_FLOAT)];
    const lent: (typeof VARIABLES)[number][] = [];
    try {
      for (const name of VARIABLES) {
        const [id] = this.backend.getInputTensorIds([tensors[name]]) as [number];
        binding.executeOp('AssignVariableOp', dtype, [this.variables[name], id], 0);
        binding.deleteTensor(id);
        lent.push(name);
      }
      run();
    } finally {
      for (const name of lent) {
        const [value] = binding.executeOp('ReadVariableOp', dtype, [this.variables[name]], 1);
        tensorMap.get(tensors[name].dataId).id = value!.id;
      }
    }
  }

  /** Puts a new value into a tensor's place. */
  private replace(tensor: TensorInfo, compute: (id: number) => number): void {
    const [id] = this.backend.getInputTensorIds([tensor]) as [number];
    this.backend.tensorMap.get(tensor.dataId).id = compute(id);
    this.backend.binding.deleteTensor(id);
  }

  /** The gradient times what it is scaled by: a handle to be deleted. */
  private scaled({gradient, factor}: AdamWInputs, scale: number): number {
    const [of] = this.backend.getInputTensorIds([gradient]) as [number];
    const [by] = factor ? this.backend.getInputTensorIds([factor]) : [this.scalar(scale)];
    return this.product(of, by!);
  }

  /** The product of two tensors: a handle to be deleted. */
  private product(a: number, b: number): number {
    const {binding} = this.backend;
    return binding.executeOp('Mul', [typeAttribute(binding, 'T', binding.TF_FLOAT)], [a, b], 1)[0]!.id;
  }

  /** A number on the device, kept for the next parameters. */
  private scalar(value: number): number {
    const {binding} = this.backend;
    const id = this.scalars.get(value) ?? binding.createTensor([], binding.TF_FLOAT, Float32Array.of(value));
    this.scalars.set(value, id);
    return id;
  }

  private dropScalars(): void {
    if (this.scalars.size < KEPT_SCALARS) return;
    for (const id of this.scalars.values()) this.backend.binding.deleteTensor(id);
    this.scalars.clear();
  }
}

function makeVariable(binding: Binding, name: string): number {
  const {TF_ATTR_STRING, TF_ATTR_SHAPE, TF_FLOAT} = binding;
  const attributes = [
    {name: 'container', type: TF_ATTR_STRING, value: ''},
    {name: 'shared_name', type: TF_ATTR_STRING, value: name},
    typeAttribute(binding, 'dtype', TF_FLOAT),
    // Of a variable's first value; no assignment holds to it.
    {name: 'shape', type: TF_ATTR_SHAPE, value: []},
  ];
  return binding.executeOp('VarHandleOp', attributes, [], 1)[0]!.id;
}
