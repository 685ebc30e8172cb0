//! One seed from beginning to end, and how a failing one is shortened.

use super::plan::Plan;
use super::rules::Broken;
use super::world::{Trace, World};

/// How a seed ended.
pub(crate) struct Outcome {
    pub(crate) broken: Option<Broken>,
    pub(crate) trace: Trace,
    /// Inputs that engines were given.
    pub(crate) steps: u64,
}

/// Runs a plan.
pub(crate) fn run(plan: &Plan) -> Outcome {
    let mut world = World::founded(plan);
    world.run_until(world.time + 4000);
    for (_, op) in &plan.ops {
        world.run_until(world.time + op.after);
        if world.broken.is_some() {
            break;
        }
        world.act(op);
    }
    if world.broken.is_none() {
        world.come_to_rest();
    }
    Outcome {
        broken: world.broken,
        trace: world.trace,
        steps: world.steps,
    }
}

/// Most runs that shortening may take.
const TRIES: usize = 600;

/// The fewest acts found that still break the same rule, by leaving out ever smaller parts.
pub(crate) fn shorten(plan: &Plan, rule: &str) -> Vec<usize> {
    let mut keep: Vec<usize> = plan.ops.iter().map(|(number, _)| *number).collect();
    let mut part = keep.len().div_ceil(2);
    let mut tries = 0;
    while part > 0 && tries < TRIES {
        let mut at = 0;
        while at < keep.len() && tries < TRIES {
            let mut fewer = keep.clone();
            fewer.drain(at..(at + part).min(keep.len()));
            tries += 1;
            if breaks(&plan.only(&fewer), rule) {
                keep = fewer;
            } else {
                at += part;
            }
        }
        part = if part == 1 { 0 } else { part.div_ceil(2) };
    }
    keep
}

fn breaks(plan: &Plan, rule: &str) -> bool {
    run(plan).broken.is_some_and(|broken| broken.rule == rule)
}
