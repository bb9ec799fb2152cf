use super::*;

const SHIPPED: &str = include_str!("../../config.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("config.toml")).map_err(|error| error.to_string())
}

fn names(suite: &str) -> Vec<String> {
    parse(SHIPPED).unwrap().suites[suite].cases.iter().map(|case| case.name.clone()).collect()
}

#[test]
fn the_shipped_suites_are_the_founding_tables_its_half_and_everything() {
    let smoke = ["torch/5f/none", "mlx/5f/none", "mlx/5f/int8", "mlx/5f/nf4"];
    let founding: Vec<String> =
        smoke.iter().map(|name| (*name).to_owned()).chain(smoke.map(|name| name.replace("5f", "41f"))).collect();
    assert_eq!(names("smoke"), smoke);
    assert_eq!(names("synthetic"), founding);
    assert_eq!(names("wide").len(), 3 * (3 + 6 * 3));
    let config = parse(SHIPPED).unwrap();
    assert_eq!(config.gate, Thresholds::default());
    assert_eq!(config.suite(None, true).unwrap().name, "synthetic");
    assert_eq!(config.suite(None, false).unwrap().name, "smoke");
    assert!(config.suite(Some("x"), false).unwrap_err().contains("smoke, synthetic, wide"));
}

#[test]
fn a_resolution_gives_the_latent_by_the_vaes_arithmetic() {
    let at = |frames: &str| SHIPPED.replace("41\nsteps = 20\nresolution", &format!("{frames}\nsteps = 20\nresolution"));
    let production = |config: &Config| config.suites["production"].cases[0].workload.clone();
    assert_eq!(production(&parse(SHIPPED).unwrap()).latent, [11, 60, 104]);
    let workload = production(&parse(&at("33")).unwrap());
    assert_eq!((workload.name.as_str(), workload.latent), ("480p-33f", [9, 60, 104]));
    let error = parse(&at("34")).unwrap_err();
    assert!(error.contains("do not fit a VAE stride"), "{error}");
}

#[test]
fn a_workload_is_named_for_its_networks_and_the_built_in_model_is_one() {
    let text = SHIPPED.replacen("text_rows = 512", "text_rows = 512\nexperts = \"both\"", 1);
    let config = parse(&text).unwrap();
    assert_eq!(config.suites["production"].cases[0].name, "torch/480p-41f-both/none");
    let error = parse(&SHIPPED.replacen("frames = 5", "frames = 5\nexperts = \"high\"", 1)).unwrap_err();
    assert!(
        error.contains("suites.synthetic.workloads[0].experts: the built-in model has only one network"),
        "{error}"
    );
}

/// Every fault is named with file, line and key.
#[test]
fn faults_are_named_with_file_line_and_key() {
    let line = |needle: &str| 1 + SHIPPED.lines().position(|line| line.starts_with(needle)).unwrap();
    let workload = line("[[suites.synthetic.workloads]]");
    let cases = line("[[suites.synthetic.cases]]");
    for (old, new, expected) in [
        (
            "frames = 5",
            "frame = 5",
            format!("config.toml:{}: suites.synthetic.workloads[0].frame: unknown field `frame`", workload + 1),
        ),
        (
            "frames = 5",
            "frames = \"5\"",
            format!("config.toml:{}: suites.synthetic.workloads[0].frames: invalid type: string \"5\"", workload + 1),
        ),
        (
            "frames = 5",
            "frames = 0",
            format!("config.toml:{}: suites.synthetic.workloads[0].frames: is 0: a number", workload + 1),
        ),
        (
            "[4, 16, 32]",
            "[4, 15, 32]",
            format!("config.toml:{workload}: suites.synthetic.workloads[0]: latent [4, 15, 32]"),
        ),
        (
            "quants = [\"none\"]",
            "quants = []",
            format!("config.toml:{}: suites.synthetic.cases[0].quants: is empty", cases + 2),
        ),
        (
            "quants = [\"none\"]",
            "quants = [\"none\", \"none\"]",
            format!("config.toml:{}: suites.synthetic.cases[0].quants: `none` appears twice", cases + 2),
        ),
        (
            "quants = [\"none\"]",
            "quants = [\"int8\"]",
            format!(
                "config.toml:{}: suites.synthetic.cases[0].quants: backend `torch` does not support `int8`; it supports none",
                cases + 2
            ),
        ),
        (
            "quants = [\"none\"]",
            "quants = [\"int7\"]",
            format!("config.toml:{}: suites.synthetic.cases[0].quants[0]: unknown variant `int7`", cases + 2),
        ),
        (
            "backend = \"torch\"",
            "backend = \"jax\"",
            format!("config.toml:{}: suites.synthetic.cases[0].backend: no backend `jax`", cases + 1),
        ),
        (
            "backend = \"torch\"\nquants = [\"none\"]",
            "backend = \"mlx\"\nquants = [\"int8\"]",
            "case `mlx/5f/int8` appears twice".to_owned(),
        ),
        (
            "gpu = \"synthetic\"",
            "gpu = \"nowhere\"",
            format!("config.toml:{}: default_suite.gpu: no suite `nowhere`", line("gpu =")),
        ),
        (
            "speedup_tolerance_percent = 5.0",
            "speedup_tolerance_percent = -1.0",
            format!("config.toml:{}: gate.speedup_tolerance_percent: is -1: a finite", line("speedup_tolerance")),
        ),
        (
            "launches = 10 ",
            "launches = 0 ",
            format!("config.toml:{}: suites.synthetic.launches: is 0", line("launches = 10")),
        ),
        (
            "launches = 10 ",
            "launches = 5000000000000 ",
            "suites.synthetic.launches: is 5000000000000: a number from 1 to 1000".to_owned(),
        ),
        ("[12, 30, 52]", "[12, 30000000000, 52000000000]", "is too large".to_owned()),
        ("[gate]", "[gate", format!("config.toml:{}: ", line("[gate]"))),
    ] {
        let text = SHIPPED.replacen(old, new, 1);
        assert_ne!(text, SHIPPED, "{old}");
        let error = parse(&text).unwrap_err();
        assert!(error.contains(&expected), "{error}\n{expected}");
    }
}

#[test]
fn one_name_means_one_shape() {
    let error = parse(&SHIPPED.replacen("latent = [4, 16, 32]", "latent = [2, 16, 32]", 1)).unwrap_err();
    assert!(error.contains("named `5f`"), "{error}");
}

#[test]
fn a_backend_of_ones_own_needs_a_command() {
    let own = |entry: &str| parse(&format!("{SHIPPED}\n[backends.own]\n{entry}"));
    let config = own("command = [\"python3\", \"worker.py\"]\nquants = [\"none\", \"int8\"]").unwrap();
    assert_eq!(config.backends["own"].quants.len(), 2);
    let demand = |name: &str| config.backends[name].output;
    assert_eq!([demand("own"), demand("mlx")], [OutputDemand::Expected, OutputDemand::Required]);
    for (written, demand) in [(true, OutputDemand::Required), (false, OutputDemand::Waived)] {
        let own = own(&format!("command = [\"x\"]\noutput = {written}")).unwrap();
        assert_eq!(own.backends["own"].output, demand);
    }
    assert!(own("command = []").unwrap_err().contains("backends.own: command is empty"));
    assert!(own("command = [\"x\"]\nquants = []").unwrap_err().contains("quants is empty"));
}

/// What is wrong with an override is named with file, line and key, as it is of every table.
#[test]
fn a_faulty_override_is_named_with_file_line_and_key() {
    let first = 2 + SHIPPED.lines().count();
    let fine = "[[gate.overrides]]\nfilter = \"mlx/41f\"\nbase_tolerance_percent = 3\n\n";
    let faults = [
        ("base_tolerance_percent = 3", 0, "gate.overrides[1]: missing field `filter`"),
        ("filter = \"\"\nbase_tolerance_percent = 3", 1, "gate.overrides[1].filter: is empty"),
        ("filter = \"mlx/42f\"\nspeedup_floor = 2", 1, "gate.overrides[1].filter: no case has `mlx/42f`"),
        ("filter = \"mlx\"", 0, "gate.overrides[1]: sets nothing"),
        ("filter = \"mlx\"\nlooks = [2, 4]", 2, "gate.overrides[1].looks: unknown field `looks`"),
        ("filter = \"mlx\"\ncontrol_share = 0.5", 2, "gate.overrides[1].control_share: unknown field `control_share`"),
        ("filter = \"mlx\"\nstep_time_ceiling_ms = \"9\"", 2, "gate.overrides[1].step_time_ceiling_ms: invalid type"),
        (
            "filter = \"mlx\"\npeak_tolerance_mib = -1",
            2,
            "gate.overrides[1].peak_tolerance_mib: is -1: a finite number from 0",
        ),
        (
            "filter = \"mlx\"\nload_ceiling_seconds = 0",
            2,
            "gate.overrides[1].load_ceiling_seconds: is 0: a finite number above 0",
        ),
        (
            "filter = \"mlx\"\nmodel_ceiling_mib = inf",
            2,
            "gate.overrides[1].model_ceiling_mib: is inf: a finite number above 0",
        ),
        (
            "filter = \"torch\"\nspeedup_floor = 2",
            2,
            "gate.overrides[1].speedup_floor: none of its cases has a speedup",
        ),
    ];
    assert_eq!(parse(&format!("{SHIPPED}\n{fine}")).unwrap().gate.overrides.len(), 1);
    for (entry, line, words) in faults {
        let error = parse(&format!("{SHIPPED}\n{fine}[[gate.overrides]]\n{entry}\n")).unwrap_err();
        // Behind the four lines of the override that is fine.
        let expected = format!("config.toml:{}: {words}", first + 4 + line);
        assert!(error.starts_with(&expected), "{error}\n{expected}");
    }
    let written_otherwise =
        SHIPPED.replacen("[gate]", "[gate]\noverrides = [{filter = \"jax\", speedup_floor = 2}]", 1);
    let error = parse(&written_otherwise).unwrap_err();
    assert!(error.starts_with("config.toml: gate.overrides[0].filter: no case has `jax`"), "{error}");
}

#[test]
fn a_ceiling_of_all_cases_is_a_number_above_zero() {
    let with = |line: &str| parse(&SHIPPED.replacen("[gate]", &format!("[gate]\n{line}"), 1));
    assert_eq!(with("step_time_ceiling_ms = 900").unwrap().gate.step_time_ceiling_ms, Some(900.0));
    let line = 2 + SHIPPED.lines().position(|line| line == "[gate]").unwrap();
    for (value, told) in [("0", "0"), ("-1.5", "-1.5"), ("inf", "inf"), ("nan", "NaN")] {
        let error = with(&format!("process_peak_ceiling_mib = {value}")).unwrap_err();
        let expected = format!("config.toml:{line}: gate.process_peak_ceiling_mib: is {told}: a finite number above 0");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_floor_without_any_speedup_is_a_fault_and_an_override_names_the_cases_that_there_are() {
    let alone = "[default_suite]\ngpu = \"a\"\ncpu = \"a\"\n[suites.a]\nmodel = \"synthetic\"\nreference = \"mlx\"\nlaunches = 2\n\
                 warmup_steps = 1\n[[suites.a.workloads]]\nframes = 5\nsteps = 1\nlatent = [1, 2, 2]\n[[suites.a.cases]]\n\
                 backend = \"mlx\"\nquants = [\"none\"]\n";
    let error = parse(&format!("{alone}\n[gate]\nspeedup_floor = 1.5\n")).unwrap_err();
    assert!(error.contains("gate.speedup_floor: no case has a speedup"), "{error}");
    let error =
        parse(&format!("{alone}\n[[gate.overrides]]\nfilter = \"nope\"\npeak_tolerance_mib = 1\n")).unwrap_err();
    assert!(error.contains("no case has `nope` in its name; there are mlx/5f/none"), "{error}");
}
