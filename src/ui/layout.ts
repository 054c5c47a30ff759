import {plural} from './format.js';

/** The numbers of a layout, as reports hold them. */
export interface LayoutNumbers {
  layout: string;
  head: number;
  middle: number;
  tail: number;
  cycles: number;
  share: string;
}

/** `ztt: head 1, 6 middle layers in 2 cycles, tail 1`. */
export function layoutOf({layout, head, middle, tail, cycles, share}: LayoutNumbers): string {
  const ends = (name: string, n: number) => (n > 0 ? [`${name} ${n}`] : []);
  const noun = head + tail > 0 ? 'middle layer' : 'layer';
  const shared = share === 'keep' ? '' : `, shared by ${share}`;
  const repeated = cycles > 1 ? ` in ${cycles} cycles` : '';
  const parts = [...ends('head', head), `${plural(middle, noun)}${repeated}${shared}`, ...ends('tail', tail)];
  return `${layout}: ${parts.join(', ')}`;
}

/** The executed layers in order: `head.0, 2 x (middle.0 to middle.5), tail.0`. */
export function slotsOf({head, middle, tail, cycles}: LayoutNumbers): string {
  const part = (name: string, n: number) => (n === 1 ? `${name}.0` : `${name}.0 to ${name}.${n - 1}`);
  const middles = part('middle', middle);
  return [
    ...(head > 0 ? [part('head', head)] : []),
    cycles > 1 ? `${cycles} x (${middles})` : middles,
    ...(tail > 0 ? [part('tail', tail)] : []),
  ].join(', ');
}
