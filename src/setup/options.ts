import type {OptionTable} from '../options/index.js';

/** Where an engine's library comes from, of which one is chosen, and whether it is built anew. */
export const INSTALL_OPTIONS = {
  'from-pip': {
    kind: 'text',
    help: 'A Python with TensorFlow 2.x in it; python3 unless another source is given',
    placeholder: 'PYTHON',
    excludes: ['libtensorflow', 'download'],
  },
  libtensorflow: {
    kind: 'text',
    help: 'A folder with the include and lib of libtensorflow',
    placeholder: 'DIR',
    excludes: ['from-pip', 'download'],
  },
  download: {
    kind: 'switch',
    help: 'Download the official libtensorflow: with CUDA where there is an NVIDIA GPU, and large',
    excludes: ['from-pip', 'libtensorflow'],
  },
  force: {kind: 'switch', help: 'Build anew what is set up already'},
} as const satisfies OptionTable;
