//! Where jobs run: the executor trait and its implementations.
