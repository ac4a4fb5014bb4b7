"""What names, shops and shares look like in the files people write, as patterns and in words."""

from __future__ import annotations

NAME = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
SHOP_KEY = r"^[a-z0-9][a-z0-9_.-]{0,63}:.{1,200}$"
PERCENT = r"^[0-9]{1,3}(\.[0-9]{1,4})?%$"

IN_WORDS = {
    NAME: "a name: small letters a to z, digits and _ . -, at most 64",
    SHOP_KEY: "a shop: platform:shop_id, as pinduoduo:s1",
    PERCENT: "a percentage such as 92% or 0.3%",
}
# What pydantic calls by the types of Python.
KINDS = dict.fromkeys(
    ("dict_type", "model_type", "model_attributes_type"), "must be a mapping of keys to values"
) | dict.fromkeys(("list_type", "tuple_type"), "must be a list")
