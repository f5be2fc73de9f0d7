"""Numbers are parsed and judged here. Where a number is from, whose network and in which time zone it is, is not asked: 45 MB."""

from PyInstaller.utils.hooks import collect_submodules

UNASKED = {"geocoder", "geodata", "carrier", "carrierdata", "timezone", "tzdata"}
# Regions are imported by name.
hiddenimports = collect_submodules("phonenumbers", filter=lambda name: UNASKED.isdisjoint(name.split(".")))
