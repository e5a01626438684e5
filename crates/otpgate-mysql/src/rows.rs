use otpgate_core::{Key, Owner, Record, Revision, Timestamp};
use sqlx::Row as _;
use sqlx::mysql::MySqlRow;

/// A row of the records' table.
pub(crate) fn record(row: &MySqlRow) -> Result<(Key, Record), sqlx::Error> {
    let record = Record {
        revision: Revision(bytes(row.try_get("revision")?)?),
        expires_at: Timestamp::from_millis(row.try_get("expires_at")?),
        owner: row.try_get::<Option<&[u8]>, _>("owner")?.map(bytes).transpose()?.map(Owner),
        value: row.try_get("value")?,
    };
    Ok((Key(bytes(row.try_get("id")?)?), record))
}

/// A column of a fixed length.
fn bytes<const N: usize>(column: &[u8]) -> Result<[u8; N], sqlx::Error> {
    column.try_into().map_err(|e: std::array::TryFromSliceError| sqlx::Error::Decode(e.into()))
}
