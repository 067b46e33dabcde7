//! The process executor from outside: real processes, real guards, real restarts.

mod ends;
mod house;
mod identity;
mod limits;
mod logs;
mod orphans;
mod restart;
mod shipped;
mod speed;
mod surroundings;
