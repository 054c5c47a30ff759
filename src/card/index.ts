/** Model cards: README.md with the Hub's metadata, made from a model's files around what a person wrote. */
export {makeCard, type Card, type CardOptions} from './card.js';
