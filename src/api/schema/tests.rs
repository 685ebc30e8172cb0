use super::*;

#[test]
fn a_schema_stands_once() {
    let names: std::collections::BTreeSet<_> = SCHEMAS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), SCHEMAS.len());
}
