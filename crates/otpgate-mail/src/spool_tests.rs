use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn names_sort_in_the_order_of_the_calls_whatever_the_clock_does() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock(AtomicI64::new(0)));
    let spool = Spool::open(folder.path().to_owned()).unwrap().with_clock(clock.clone());
    let times = [999, 1_000, 1_000, 1_000, 999_999_999_999, 1_000, -5, 1_000_000_000_000, i64::MAX, i64::MAX, 0];
    for (n, at) in times.into_iter().enumerate() {
        clock.0.store(at, Ordering::SeqCst);
        let stamp = spool.stamp().unwrap();
        spool.put(&stamp, "txt", n.to_string().into_bytes()).await.unwrap();
    }
    let read: Vec<_> =
        names(folder.path()).iter().map(|n| fs::read_to_string(folder.path().join(n)).unwrap()).collect();
    assert_eq!(read, (0..times.len()).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn the_millionth_file_of_a_millisecond_still_sorts_last() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock(AtomicI64::new(7)));
    let spool = Spool::open(folder.path().to_owned()).unwrap().with_clock(clock);
    *spool.last.lock().unwrap() = (7, SAME_MILLI - 1);
    let made: Vec<_> = (0..3).map(|_| spool.stamp().unwrap().name("x")).collect();
    assert!(made.is_sorted(), "{made:?}");
    assert!(made[1].starts_with("0000000000000000008-000000-"), "{made:?}");
}

#[tokio::test]
async fn a_folder_that_vanished_is_tried_again_and_heals() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("a/b");
    let spool = Spool::open(folder.clone()).unwrap();
    assert_eq!(names(&folder), Vec::<String>::new(), "the probe is gone");
    fs::remove_dir(&folder).unwrap();
    let error = spool.put(&spool.stamp().unwrap(), "txt", b"x".to_vec()).await.unwrap_err();
    assert!(error.is_temporary());
    fs::create_dir(&folder).unwrap();
    spool.put(&spool.stamp().unwrap(), "txt", b"x".to_vec()).await.unwrap();
    assert_eq!(names(&folder).len(), 1);
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    // A folder of that name stands in the way of the rename.
    fs::create_dir_all(folder.path().join("taken/full")).unwrap();
    assert!(write(folder.path(), "taken", b"x").is_err());
    assert_eq!(names(folder.path()), ["taken"]);
}

#[test]
fn a_path_that_is_no_folder_is_refused_when_built() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Spool::open(file.path().to_owned()).err().unwrap();
    assert_eq!(error.kind(), ConfigErrorKind::Name);
}

#[tokio::test]
async fn a_reader_never_sees_half_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Arc::new(Spool::open(folder.path().to_owned()).unwrap());
    let body = vec![b'x'; 256 * 1024];
    let (path, size) = (folder.path().to_owned(), body.len());
    let reader = std::thread::spawn(move || {
        let mut seen = 0;
        while seen < 8 {
            let whole = names(&path).into_iter().filter(|n| !n.starts_with('.'));
            seen = whole.map(|n| assert_eq!(fs::read(path.join(n)).unwrap().len(), size)).count();
        }
    });
    for _ in 0..8 {
        spool.put(&spool.stamp().unwrap(), "txt", body.clone()).await.unwrap();
    }
    tokio::task::spawn_blocking(move || reader.join().unwrap()).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn folder_and_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("mail");
    let spool = Spool::open(folder.clone()).unwrap();
    spool.put(&spool.stamp().unwrap(), "txt", b"x".to_vec()).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join(&names(&folder)[0])), 0o600);
}
