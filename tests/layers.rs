//! The layers of the sources, read with syn: a module of the library uses only the modules that `src/lib.rs` lists before it,
//! the program's modules only those below them, and inside a module no two files use each other in a circle.
//!
//! `use` lines, inline paths and paths inside macro calls count; what is compiled for tests only does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree};

/// The program's modules, bottom to top; `src/main.rs` itself is above them.
const PROGRAM_LAYERS: [&str; 3] = ["cli", "session", "commands"];

#[test]
fn a_module_of_the_library_uses_only_those_listed_before_it() {
    let library = Crate::parse(&sources(), "src/lib.rs");
    let layers = library.public_modules();
    assert!(layers.len() > 10, "src/lib.rs lists {layers:?}");
    assert_none(&library.against_layers(&layers));
}

#[test]
fn the_programs_modules_use_only_those_below_them() {
    let program = Crate::parse(&sources(), "src/main.rs");
    assert_none(&program.against_layers(&PROGRAM_LAYERS.map(str::to_owned)));
}

#[test]
fn no_two_files_of_a_module_use_each_other_in_a_circle() {
    let sources = sources();
    let roots = ["src/lib.rs", "src/main.rs", "src/bin/wanbench-mlx/main.rs", "src/bin/wanbench-torch/main.rs"];
    assert_none(&roots.into_iter().flat_map(|root| Crate::parse(&sources, root).circles()).collect::<Vec<_>>());
}

#[test]
fn a_use_of_a_module_above_is_found_in_use_lines_paths_and_macro_calls() {
    let low = "//! Low.\nuse crate::high::Top;\nfn f() { crate::high::top() }\nfn g() { println!(\"{}\", crate::high::TOP) }\n";
    let tests = "#[cfg(test)]\nmod tests { use crate::high::Top; }\n#[cfg(test)]\nfn h() { crate::high::top() }\n";
    let sources = made_up(&[
        ("src/lib.rs", "pub mod low;\npub mod high;\n"),
        ("src/low.rs", &format!("{low}{tests}")),
        ("src/high.rs", "use crate::low::f;\npub(in crate::low) fn top() {}\n"),
    ]);
    let library = Crate::parse(&sources, "src/lib.rs");
    assert_eq!(
        library.against_layers(&library.public_modules()),
        [
            "src/low.rs:2: high::Top: low → high, against low < high",
            "src/low.rs:3: high::top: low → high, against low < high",
            "src/low.rs:4: high::TOP: low → high, against low < high",
        ]
    );
}

#[test]
fn a_use_of_the_root_or_of_an_unlisted_module_is_against_the_layers() {
    let sources = made_up(&[
        ("src/main.rs", "mod cli;\nmod other;\nfn root() {}\n"),
        ("src/cli.rs", "use super::root;\n"),
        ("src/other.rs", "use crate::cli::Cli;\n"),
    ]);
    assert_eq!(
        Crate::parse(&sources, "src/main.rs").against_layers(&["cli".to_owned()]),
        ["src/cli.rs:1: root: cli → the root, against cli", "src/other.rs:1: cli::Cli: other → cli, against cli"]
    );
}

#[test]
fn a_circle_is_found_through_the_parents_reexport() {
    let parent = "mod a;\nmod b;\nmod folder;\npub use a::A;\npub struct Own;\n";
    let circles = |a: &str, b: &str, deep: &str| {
        let sources = made_up(&[
            ("src/lib.rs", "pub mod m;\n"),
            ("src/m/mod.rs", parent),
            ("src/m/a.rs", a),
            ("src/m/b.rs", b),
            ("src/m/folder/mod.rs", "mod deep;\n"),
            ("src/m/folder/deep.rs", deep),
        ]);
        Crate::parse(&sources, "src/lib.rs").circles()
    };
    let none: [&str; 0] = [];
    assert_eq!(circles("use super::Own;\n", "use super::{A, Own};\n", ""), none);
    assert_eq!(
        circles("use super::b::B;\n", "\nuse super::{A, Own};\n", ""),
        [
            "src/m/a.rs:1: m::b::B: m::a → m::b is part of a circle",
            "src/m/b.rs:2: m::A: m::b → m::a is part of a circle",
        ]
    );
    assert_eq!(
        circles("use super::b::B;\n", "fn f() { super::folder::f() }\n", "use crate::m::A as Other;\n"),
        [
            "src/m/a.rs:1: m::b::B: m::a → m::b is part of a circle",
            "src/m/b.rs:1: m::folder::f: m::b → m::folder is part of a circle",
            "src/m/folder/deep.rs:1: m::A: m::folder → m::a is part of a circle",
        ]
    );
}

fn made_up(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect()
}

/// All Rust files under `src`, by path from the repository's root.
fn sources() -> Sources {
    fn read(folder: &Path, root: &Path, sources: &mut Sources) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, root, sources);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.insert(path.strip_prefix(root).unwrap().to_owned(), text);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Sources::new();
    read(&root.join("src"), root, &mut sources);
    sources
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "{} forbidden edges:\n{}", violations.len(), violations.join("\n"));
}

/// Texts of Rust files by path.
type Sources = BTreeMap<PathBuf, String>;

/// A module's path from the crate's root: `["gate", "speed"]`, empty for the root.
type Module = Vec<String>;

/// The modules of a crate that have a file of their own.
struct Crate {
    files: BTreeMap<Module, SourceFile>,
}

/// What one file defines and uses.
struct SourceFile {
    path: PathBuf,
    /// Modules declared in it that have files of their own, in order, with whether they are public.
    children: Vec<(String, bool)>,
    /// Names that its `use` lines bring into scope, with what they stand for.
    imports: BTreeMap<String, Module>,
    uses: Vec<Use>,
}

/// A path inside the crate that a file names.
struct Use {
    line: usize,
    path: Module,
}

/// A use whose target is known: from one module to another.
struct Edge<'a> {
    from: &'a Module,
    to: Module,
    file: &'a Path,
    used: &'a Use,
}

impl Crate {
    fn parse(sources: &Sources, root: &str) -> Self {
        let mut files = BTreeMap::new();
        let mut open = vec![(Module::new(), PathBuf::from(root))];
        while let Some((module, path)) = open.pop() {
            let text = sources.get(&path).unwrap_or_else(|| panic!("there is no file {}", path.display()));
            let file = SourceFile::parse(&module, &path, text);
            let is_folder = module.is_empty() || path.ends_with("mod.rs");
            let folder = if is_folder { path.parent().unwrap().to_owned() } else { path.with_extension("") };
            for (child, _) in &file.children {
                let flat = folder.join(format!("{child}.rs"));
                let path = if sources.contains_key(&flat) { flat } else { folder.join(child).join("mod.rs") };
                open.push((join(&module, child), path));
            }
            files.insert(module, file);
        }
        Self { files }
    }

    /// The root's `pub mod` lines, in order.
    fn public_modules(&self) -> Vec<String> {
        let children = self.files[&Module::new()].children.iter();
        children.filter(|(_, is_public)| *is_public).map(|(name, _)| name.clone()).collect()
    }

    /// The uses that lead from one of `layers`, which are bottom to top, to another above it, to the root or to a module that
    /// is none of them.
    fn against_layers(&self, layers: &[String]) -> Vec<String> {
        let level = |module: &Module| layers.iter().position(|layer| module.first() == Some(layer));
        let order = layers.join(" < ");
        let mut violations = Vec::new();
        for edge in self.edges().iter().filter(|edge| !edge.from.is_empty() && edge.from.first() != edge.to.first()) {
            if level(edge.from).is_none_or(|from| level(&edge.to).is_none_or(|to| to > from)) {
                let (from, to) = (&edge.from[0], edge.to.first().map_or("the root", |name| name));
                violations.push(format!("{}: {from} → {to}, against {order}", edge.place()));
            }
        }
        violations
    }

    /// The uses between children of one module that are part of a circle. A child with a folder counts as a whole; what a
    /// module's own file defines is free to its children, and its children are free to it.
    fn circles(&self) -> Vec<String> {
        let edges = self.edges();
        let mut uses: BTreeMap<(Module, Module), &Edge> = BTreeMap::new();
        for edge in &edges {
            let shared = edge.from.iter().zip(&edge.to).take_while(|(one, other)| one == other).count();
            if shared < edge.from.len() && shared < edge.to.len() {
                uses.entry((edge.from[..=shared].to_vec(), edge.to[..=shared].to_vec())).or_insert(edge);
            }
        }
        let in_circle = uses.iter().filter(|((from, to), _)| reaches(&uses, to, from));
        in_circle
            .map(|((from, to), edge)| {
                format!("{}: {} → {} is part of a circle", edge.place(), from.join("::"), to.join("::"))
            })
            .collect()
    }

    /// All uses whose target is another module than the user.
    fn edges(&self) -> Vec<Edge<'_>> {
        let edges = self.files.iter().flat_map(|(from, file)| {
            file.uses.iter().map(move |used| Edge { from, to: self.target(&used.path), file: &file.path, used })
        });
        edges.filter(|edge| *edge.from != edge.to).collect()
    }

    /// The module that defines what `path` names: where its file only imports the name from elsewhere, that place.
    fn target(&self, path: &Module) -> Module {
        let module = self.module(path);
        match path.get(module.len()).and_then(|name| self.files[&module].imports.get(name)) {
            Some(import) => self.module(import),
            None => module,
        }
    }

    /// The longest part of `path` that is a module with a file.
    fn module(&self, path: &Module) -> Module {
        let parts = (0..=path.len()).rev().map(|length| path[..length].to_vec());
        parts.into_iter().find(|part| self.files.contains_key(part)).unwrap_or_default()
    }
}

impl Edge<'_> {
    fn place(&self) -> String {
        format!("{}:{}: {}", self.file.display(), self.used.line, self.used.path.join("::"))
    }
}

/// Whether `uses` lead from `from` to `to`.
fn reaches(uses: &BTreeMap<(Module, Module), &Edge>, from: &Module, to: &Module) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            open.extend(uses.keys().filter(|(user, _)| user == module).map(|(_, used)| used));
        }
    }
    false
}

impl SourceFile {
    fn parse(module: &Module, path: &Path, text: &str) -> Self {
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let declared = parsed.items.iter().filter_map(|item| match item {
            Item::Mod(item) if !is_test(&item.attrs) => Some(item),
            _ => None,
        });
        let has_file = declared.filter(|item| item.content.is_none());
        let children: Vec<_> =
            has_file.map(|item| (item.ident.to_string(), matches!(item.vis, syn::Visibility::Public(_)))).collect();
        let file = Self { path: path.to_owned(), children, imports: BTreeMap::new(), uses: Vec::new() };
        let mut collector = Collector { module, inline: Vec::new(), file };
        collector.visit_file(&parsed);
        collector.file
    }
}

/// Collects what a file uses.
struct Collector<'a> {
    module: &'a Module,
    /// The modules inside the file that lead to what is visited.
    inline: Vec<String>,
    file: SourceFile,
}

impl Collector<'_> {
    /// `names` from the crate's root; `None` where they lead out of it or to the file's own items.
    fn resolve(&self, names: &[String]) -> Option<Module> {
        let mut here = [self.module.as_slice(), &self.inline].concat();
        let first = names.first()?;
        let is_child = self.inline.is_empty() && self.file.children.iter().any(|(child, _)| child == first);
        match first.as_str() {
            "crate" => Some(names[1..].to_vec()),
            "self" | "super" => {
                let up = names.iter().take_while(|name| *name == "super").count();
                here.truncate(here.len() - up);
                Some([&here, &names[up.max(1)..]].concat())
            }
            _ if is_child => Some([&here, names].concat()),
            _ => None,
        }
    }

    fn record(&mut self, names: &[String], span: Span) -> Option<Module> {
        let path = self.resolve(names)?;
        self.file.uses.push(Use { line: span.start().line, path: path.clone() });
        Some(path)
    }

    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        let then = |ident: &Ident| join(before, &ident.to_string());
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &then(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
            UseTree::Name(name) if name.ident == "self" => {
                self.import(before, before.last().cloned(), name.ident.span())
            }
            UseTree::Name(name) => self.import(&then(&name.ident), Some(name.ident.to_string()), name.ident.span()),
            UseTree::Rename(name) => self.import(&then(&name.ident), Some(name.rename.to_string()), name.ident.span()),
            UseTree::Glob(glob) => self.import(before, None, glob.star_token.spans[0]),
        }
    }

    fn import(&mut self, path: &[String], name: Option<String>, span: Span) {
        if let (Some(path), Some(name)) = (self.record(path, span), name)
            && self.inline.is_empty()
        {
            self.file.imports.insert(name, path);
        }
    }

    /// The paths among the tokens of a macro call, which syn does not parse.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<Ident> = Vec::new();
        let mut colons = 0;
        // A token that belongs to no path ends the last one.
        for token in tokens.into_iter().map(Some).chain([None]) {
            match token {
                Some(TokenTree::Punct(punct)) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                Some(TokenTree::Ident(ident)) if colons == 2 => {
                    path.push(ident);
                    colons = 0;
                }
                token => {
                    if let (Some(first), true) = (path.first(), path.len() > 1) {
                        let names: Vec<String> = path.iter().map(Ident::to_string).collect();
                        self.record(&names, first.span());
                    }
                    path.clear();
                    colons = 0;
                    match token {
                        Some(TokenTree::Ident(ident)) => path.push(ident),
                        Some(TokenTree::Group(group)) => self.tokens(group.stream()),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Leaves out what is compiled for tests only.
macro_rules! without_tests {
    ($($visit:ident: $item:ident),* $(,)?) => {
        $(fn $visit(&mut self, item: &syn::$item) {
            if !is_test(&item.attrs) {
                visit::$visit(self, item);
            }
        })*
    };
}

impl Visit<'_> for Collector<'_> {
    without_tests! {
        visit_item_const: ItemConst,
        visit_item_enum: ItemEnum,
        visit_item_fn: ItemFn,
        visit_item_impl: ItemImpl,
        visit_item_static: ItemStatic,
        visit_item_struct: ItemStruct,
        visit_item_trait: ItemTrait,
        visit_item_type: ItemType,
        visit_impl_item_const: ImplItemConst,
        visit_impl_item_fn: ImplItemFn,
    }

    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        if item.content.is_some() && !is_test(&item.attrs) {
            self.inline.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.inline.pop();
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        if !is_test(&item.attrs) && item.leading_colon.is_none() {
            self.tree(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let (Some(first), true) = (path.segments.first(), names.len() > 1 && path.leading_colon.is_none()) {
            self.record(&names, first.ident.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &syn::Macro) {
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &Attribute) {}

    // `pub(in crate::gate)` uses nothing.
    fn visit_visibility(&mut self, _: &syn::Visibility) {}
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = || attribute.parse_args::<syn::Path>();
        attribute.path().is_ident("cfg") && condition().is_ok_and(|condition| condition.is_ident("test"))
    })
}

fn join(path: &[String], name: &str) -> Vec<String> {
    [path, &[name.to_owned()]].concat()
}
