//! Requests of chance at the door: a taste of what the fuzz target `door` does for longer
//! (`cargo xtask fuzz door`), or with `ANY_REQUESTS=1000000` and another `ANY_SEED`.

mod door;

use duologue_testkit::Random;

/// How many of each kind, unless somebody asks for more.
const REQUESTS: u64 = 15_000;

/// Requests whose bytes are changed here and there.
const NEARLY: [&str; 6] = [
    r#"{"jsonrpc":"2.0","method":"dlg_list","id":1}"#,
    r#"{"jsonrpc":"2.0","method":"dialog:briefing","params":{"columns":["id","age"],"limit":1},"id":"a"}"#,
    r#"{"jsonrpc":"2.0","method":"get_statistics","params":[["all"]],"id":null}"#,
    r#"{"jsonrpc":"2.0","method":"which","params":["dlg_list"],"id":2}"#,
    r#"{"jsonrpc":"2.0","method":"cache_store","params":["local","k","v",5]}"#,
    r#"{"jsonrpc":"2.0","method":"ul_show_contact","params":{"table_name":"location","aor":"a"},"id":3}"#,
];

#[test]
fn any_request_is_answered_in_json_or_not_at_all() {
    let asked = |name, default| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(default)
    };
    let (requests, seed) = (asked("ANY_REQUESTS", REQUESTS), asked("ANY_SEED", 5));
    println!("{requests} of each kind, from seed {seed}");
    let mut random = Random::seeded(seed);
    let below = |random: &mut Random, bound: usize| random.below(bound as u64) as usize;
    for _ in 0..requests {
        // Composed of what commands know.
        let length = below(&mut random, 60);
        let mut bytes: Vec<u8> = (0..=length).map(|_| random.bits() as u8).collect();
        bytes[0] |= 1;
        door::walk(&bytes);
        // Nearly right.
        let mut bytes = NEARLY[below(&mut random, NEARLY.len())].as_bytes().to_vec();
        for _ in 0..below(&mut random, 4) {
            if bytes.is_empty() {
                break;
            }
            let at = below(&mut random, bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.bits() as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at + 1),
            }
        }
        bytes.insert(0, (random.bits() as u8) & !1);
        door::walk(&bytes);
    }
}
