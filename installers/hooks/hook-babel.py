"""The console's languages; Babel knows a thousand more files of them."""

from messenger_hub_server.console.words import LANGUAGES
from PyInstaller.utils.hooks import collect_data_files

hiddenimports = ["babel.dates", "babel.localedata", "babel.plural", "babel.numbers"]
families = sorted({language.split("_")[0] for language in LANGUAGES})
datas = collect_data_files(
    "babel", includes=["global.dat", "locale-data/root.dat", *(f"locale-data/{family}*.dat" for family in families)]
)
