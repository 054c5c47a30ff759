/** Setting an engine up on this machine. */
export {installTensorflow, type InstallOptions, type InstallReport} from './install.js';
