//! CPU time and memory of processes, as Linux tells them in `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The unit of the times in `/proc/<pid>/stat`: a hundredth of a second on every architecture we run on.
const TICK: Duration = Duration::from_millis(10);

/// The CPU time of a process with all its threads.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = stat(pid)?;
    Ok(stat.own)
}

/// The CPU time of a process and its children, those included that have ended.
pub(crate) fn family_cpu(pid: u32) -> Result<Duration> {
    loop {
        let ended = stat(pid)?.ended_children;
        let children: Duration = children(pid)?.into_iter().filter_map(|child| Some(stat(child).ok()?.own)).sum();
        let parent = stat(pid)?;
        // Otherwise one ended while we looked, and may have been counted twice or not at all.
        if parent.ended_children == ended {
            return Ok(parent.own + ended + children);
        }
    }
}

/// The memory of a process in bytes, with its share of what it shares with others (PSS).
pub(crate) fn memory(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let rollup = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let kibibytes =
        rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    let kibibytes: u64 = kibibytes.with_context(|| format!("{path} has no Pss"))?;
    Ok(kibibytes * 1024)
}

/// The memory of a process and its children.
pub(crate) fn family_memory(pid: u32) -> Result<u64> {
    let children = children(pid)?.into_iter().filter_map(|child| memory(child).ok());
    Ok(memory(pid)? + children.sum::<u64>())
}

/// The share of all cores' time that was used since the machine started, as used and whole time.
pub(crate) fn machine() -> Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat cannot be read")?;
    let line = stat.lines().next().unwrap_or_default();
    let times: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|time| time.parse().ok()).collect();
    let all: u64 = times.iter().sum();
    // The fourth and fifth: idle, and waiting for a disk.
    let idle: u64 = times.iter().skip(3).take(2).sum();
    Ok((all - idle, all))
}

struct Stat {
    parent: u32,
    own: Duration,
    ended_children: Duration,
}

/// Reads `/proc/<pid>/stat` (proc(5)).
fn stat(pid: u32) -> Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    parse(&text).with_context(|| format!("{path} is not understood"))
}

fn parse(stat: &str) -> Option<Stat> {
    // The name before may have spaces and parentheses in it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let ticks: Vec<u32> = fields.skip(9).take(4).map(|ticks| ticks.parse().ok()).collect::<Option<_>>()?;
    let &[user, system, children_user, children_system] = ticks.as_slice() else { return None };
    Some(Stat { parent, own: TICK * (user + system), ended_children: TICK * (children_user + children_system) })
}

fn children(pid: u32) -> Result<Vec<u32>> {
    let processes = fs::read_dir("/proc").context("/proc cannot be read")?;
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|candidate| stat(*candidate).is_ok_and(|stat| stat.parent == pid)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_a_name_with_parentheses() {
        let stat = parse("7 (a) b) S 3 7 7 0 -1 4194560 1 2 3 4 100 20 5 1 20 0 1 0 99").unwrap();

        assert_eq!(stat.parent, 3);
        assert_eq!(stat.own, Duration::from_millis(1200));
        assert_eq!(stat.ended_children, Duration::from_millis(60));
    }
}
