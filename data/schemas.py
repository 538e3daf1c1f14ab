"""One schema for the files of a folder, however each file writes a column."""

import pyarrow as pa
import pyarrow.dataset as ds

from data.errors import ContractError


def one_schema(fragments: "list[ds.ParquetFileFragment]", partitions: pa.Schema) -> pa.Schema:
    """The columns of all files; the order of the files does not matter.

    A text is a text however it is stored, units of time and widths of integers widen, and a column
    that is whole numbers here and floats there is one of floats: pandas writes integers with a gap
    so. A value that floats cannot hold is then a fault.

    Raises
    ------
    ContractError : naming the file and the column that fit no other, or a column of a file that
        the folders' names hold as well.
    """
    found: dict[str, dict[pa.DataType, list[str]]] = {}
    for fragment in fragments:
        for field in fragment.physical_schema:
            if field.name in partitions.names:
                what = f"column '{field.name}' stands in the file and in its folder's name"
                fix = "drop it from the file, or rename the folders"
                raise ContractError(what, where=fragment.path, fix=fix)
            found.setdefault(field.name, {}).setdefault(_plain(field.type), []).append(
                fragment.path
            )
    columns = [pa.field(name, _one_type(name, kinds)) for name, kinds in found.items()]
    return pa.schema([*columns, *partitions])


def _one_type(name: str, kinds: dict[pa.DataType, list[str]]) -> pa.DataType:
    usual = max(kinds, key=lambda k: (len(kinds[k]), str(k)))
    common = pa.schema([(name, usual)])
    for kind in sorted(kinds, key=str):
        try:
            common = pa.unify_schemas(
                [common, pa.schema([(name, kind)])], promote_options="permissive"
            )
        except pa.ArrowException as e:
            what = f"column '{name}' is {kind} here and {usual} elsewhere in the folder"
            fix = f"write the files again with one type of '{name}'"
            raise ContractError(what, where=min(kinds[kind]), fix=fix) from e
    return common.field(0).type


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values, without how texts are stored."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    text = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return pa.string() if text else kind
