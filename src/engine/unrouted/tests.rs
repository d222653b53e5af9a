//! Kept MO, told without a network.
