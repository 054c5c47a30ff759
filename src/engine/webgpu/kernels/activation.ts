import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import type {ActivationName} from '../../contract.js';
import {runOnElements, type ElementShader} from './elements.js';
import {output, type Element, type Info} from './program.js';
import type {Kernels} from './register.js';

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/**
 * `value(x)` and `slope(x)`, its derivative, of a type. WGSL has no erf: the one of Abramowitz & Stegun 7.1.26, whose
 * error is below 1.5e-7. Exponents are bounded where exp would leave f32.
 */
function activationFunctions(name: ActivationName, T: Element): string {
  const sigmoid = `fn sigmoid(x: ${T}) -> ${T} { return 1.0 / (1.0 + exp(clamp(-x, ${T}(-80.0), ${T}(80.0)))); }`;
  switch (name) {
    case 'gelu_new':
      return `
${sigmoid}
fn inner(x: ${T}) -> ${T} { return x * (${2 * SQRT_2_OVER_PI * CUBIC} * x * x + ${2 * SQRT_2_OVER_PI}); }
fn value(x: ${T}) -> ${T} { return x * sigmoid(inner(x)); }
fn slope(x: ${T}) -> ${T} {
  let s = sigmoid(inner(x));
  return s + s * (1.0 - s) * x * (${6 * SQRT_2_OVER_PI * CUBIC} * x * x + ${2 * SQRT_2_OVER_PI});
}`;
    case 'gelu':
      return `
fn density(x: ${T}) -> ${T} { return exp(max(-0.5 * x * x, ${T}(-80.0))); }
fn cdf(x: ${T}) -> ${T} {
  let t = 1.0 / (1.0 + ${0.3275911 * Math.SQRT1_2} * abs(x));
  let series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  let tail = 0.5 * series * density(x);
  return select(tail, 1.0 - tail, x > ${T}(0.0));
}
fn value(x: ${T}) -> ${T} { return x * cdf(x); }
fn slope(x: ${T}) -> ${T} { return cdf(x) + x * density(x) * ${1 / Math.sqrt(2 * Math.PI)}; }`;
    case 'relu':
      return `
fn value(x: ${T}) -> ${T} { return max(x, ${T}(0.0)); }
fn slope(x: ${T}) -> ${T} { return select(${T}(0.0), ${T}(1.0), x > ${T}(0.0)); }`;
    case 'silu':
      return `
${sigmoid}
fn value(x: ${T}) -> ${T} { return x * sigmoid(x); }
fn slope(x: ${T}) -> ${T} {
  let s = sigmoid(x);
  return s + s * (1.0 - s) * x;
}`;
  }
}

type Constants = {name: ActivationName};

const forward: ElementShader<Constants> = {
  name: 'activation',
  functions: ({name, element}) => activationFunctions(name, element),
  line: () => 'y[i] = value(x[i]);',
};

const backward: ElementShader<Constants> = {
  name: 'activation gradient',
  functions: ({name, element}) => activationFunctions(name, element),
  line: () => 'dx[i] = dy[i] * slope(x[i]);',
};

/** y = activation(x), elementwise. */
export function activate(backend: WebGPUBackend, x: Info, name: ActivationName): Info {
  const y = output(backend, x.shape);
  runOnElements(backend, forward, {constants: {name}, reads: {x}, writes: {y}});
  return y;
}

export const ACTIVATIONS = {
  ZttActivation: ({x}, {activation}, backend) => [activate(backend, x, activation)],
  ZttActivationGradient: ({x, dy}, {activation}, backend) => {
    const dx = output(backend, x.shape);
    runOnElements(backend, backward, {constants: {name: activation}, reads: {x, dy}, writes: {dx}});
    return [dx];
  },
} satisfies Kernels;
