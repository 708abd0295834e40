//! Where a walk is: a tree of blocks, each with a stack of what it is in the middle of.

use serde_json::Value;

use crate::program::Block;

/// A block being walked.
#[derive(Debug, Clone, Default)]
pub struct Task {
    pub frames: Vec<Frame>,
    pub at: At,
}

#[derive(Debug, Clone)]
pub struct Frame {
    pub block: Block,
    pub next: usize,
    /// How often it is still to be done, this time included.
    pub times: u32,
}

/// Where a block waits.
#[derive(Debug, Clone, Default)]
pub enum At {
    #[default]
    Going,
    One(u64),
    Answer(u64, Block, Block),
    Any(Vec<(u64, Block)>),
    All(Vec<u64>, Vec<Option<Value>>),
    Hold {
        held: u64,
        other: u64,
        got: Option<Value>,
    },
    Both {
        race: bool,
        sides: [Option<Box<Task>>; 2],
    },
    Never,
}

impl Task {
    pub fn of(block: &Block, times: u32) -> Task {
        Task { frames: vec![Frame { block: block.clone(), next: 0, times }], at: At::Going }
    }

    pub fn enter(&mut self, block: Block, times: u32) {
        self.frames.push(Frame { block, next: 0, times });
    }

    pub fn waits(&mut self, at: At) -> bool {
        self.at = at;
        false
    }
}
